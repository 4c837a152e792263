import { confine } from './confine.ts'
import { type Host, netnsFile } from './host.ts'

/**
 * The argv that runs a program on the host, or in a namespace of it. This process is confined before it leads into a
 * sandbox. A namespace is entered with `nsenter`, because `ip -n` copies the mount table each time, and its file is opened
 * from within the sandbox: a link that a program put there must not lead to a namespace of the machine.
 */
export function inside(host: Host, netns: string | undefined, argv: readonly string[]): string[] {
  if (!host.inside) confine()
  if (netns === undefined) return [...host.enter, ...argv]
  return [...host.enter, 'nsenter', `--net=${netnsFile(netns)}`, '--', ...argv]
}
