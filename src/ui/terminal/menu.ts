import { type Choice, askChoice, edited } from './prompts.ts'
import { print } from './output.ts'
import { style } from './style.ts'
import { draw } from './text.ts'

/** A command in the menu. With `edit`, it is an example that the user may change first. */
interface Entry {
  name: string
  command: string
  edit?: true
}

const MENU: Record<string, readonly Entry[]> = {
  'Learn, from a namespace to the internet': [
    { name: 'a guided tour of the eight steps', command: 'lab run eight-steps' },
    { name: 'the eight steps, one at a time', command: 'step' },
    { name: 'all the labs, in order', command: 'lab list' },
  ],
  'Build, one piece at a time': [
    { name: 'a namespace', command: 'netns create red', edit: true },
    { name: 'a bridge', command: 'bridge create cni0', edit: true },
    { name: 'a veth pair', command: 'veth pair veth-c veth-b', edit: true },
    { name: 'one end in the namespace', command: 'attach veth-c --netns red --name eth0', edit: true },
    { name: 'the other in the bridge', command: 'attach veth-b --bridge cni0', edit: true },
    { name: 'an address', command: 'ip assign 10.22.0.2/16 eth0 --netns red', edit: true },
    { name: 'interfaces up', command: 'up lo eth0 --netns red', edit: true },
    { name: 'masquerading', command: 'masquerade 10.22.0.0/16', edit: true },
  ],
  'Run a lab': [
    { name: 'guided', command: 'lab run two-namespaces', edit: true },
    { name: 'on your own: it starts, and you do the work', command: 'lab start two-namespaces', edit: true },
    { name: 'by itself, and then torn down', command: 'lab run eight-steps --auto', edit: true },
    { name: 'how far you are', command: 'lab status' },
    { name: 'watch it while you work', command: 'lab watch' },
  ],
  'Look around': [
    { name: 'a shell in the sandbox', command: 'shell' },
    { name: 'the namespaces', command: 'netns list' },
    { name: 'the bridges', command: 'bridge list' },
    { name: 'the sandboxes', command: 'sandbox list' },
  ],
  Repair: [
    { name: 'what is wrong in the running lab', command: 'lab check' },
    { name: 'a hint', command: 'lab hint' },
    { name: 'back to the start of the lab', command: 'lab reset' },
    { name: 'what this machine lacks', command: 'doctor' },
    { name: 'remove all sandboxes', command: 'clean' },
  ],
}

/**
 * Offers the user on a terminal what cnilab can do. Shows the chosen command and returns its words; undefined if none was
 * chosen.
 */
export async function menu(): Promise<string[] | undefined> {
  const never = { plain: false }
  const areas = Object.entries(MENU).map(([name, value]) => ({ name, value }))
  const area = await askChoice('What would you like to do?', areas, never)
  if (!area) return undefined
  const width = Math.max(...area.map(({ name }) => name.length))
  const entries: Choice<Entry>[] = area.map((entry) => ({
    name: draw`${entry.name.padEnd(width)}  ${style.command(`cnilab ${entry.command}`)}`,
    value: entry,
  }))
  const entry = await askChoice('Which?', entries, never)
  if (!entry) return undefined
  const command = entry.edit ? await edited('Change it if you like: cnilab', entry.command) : entry.command
  if (command === undefined) return undefined
  print(draw`$ ${style.command(`cnilab ${command}`)}`)
  return command.split(/\s+/).filter((word) => word !== '')
}
