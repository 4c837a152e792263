import { CnilabError } from '../../errors.ts'
import { isInstalled } from '../../kernel/environment.ts'
import { MACHINE } from '../../kernel/host.ts'
import { netnsAt } from '../../kernel/netns-files.ts'
import { statOf } from '../../kernel/read-file.ts'
import { quote } from '../../plan/command-line.ts'
import { askClient, isInCgroupOf, netnsOfProcess, reasonOf } from './ask-client.ts'
import { type Inspected, parseInspected } from './inspected.ts'
import { type Candidate, fit, type Place, shortId } from './place.ts'

/** Docker's socket on this machine. DOCKER_HOST may name another one, but no other machine. */
function dockerSocket(): string {
  return /^unix:\/\/(\/.+)$/.exec(process.env['DOCKER_HOST'] ?? '')?.[1] ?? '/run/docker.sock'
}

/** Docker's containers. */
export const docker: Place = {
  title: 'Docker',
  isThere: () => statOf(dockerSocket())?.isSocket() === true && isInstalled('docker'),
  find: async (_host, name) => {
    const found = await inspect(['docker', '--host', `unix://${dockerSocket()}`], name)
    // Its daemon may be in a virtual machine, where other processes have these numbers.
    return found.flatMap((one) => candidate('Docker', 'docker', name, one, isInCgroupOf(one.pid, one.id)))
  },
  byHand: (name) => `docker inspect -f '{{.State.Pid}}' ${quote(name)}`,
}

/** Podman's containers of this user: those of others are in their own storage. */
export const podman: Place = {
  title: 'podman',
  // It makes its folders when it is asked for the first time: where it never ran, it has no containers.
  isThere: () => statOf('/run/libpod')?.isDirectory() === true && isInstalled('podman'),
  find: async (_host, name) => {
    const found = await inspect(['podman'], name)
    return found.flatMap((one) => candidate('podman', 'podman', name, one, true))
  },
  byHand: (name) => `podman inspect -f '{{.State.Pid}}' ${quote(name)}`,
}

/** Asks for a container by name, id, or the beginning of an id; empty if there is none. Throws CnilabError if there is no answer. */
async function inspect(client: readonly string[], name: string): Promise<Inspected[]> {
  const finished = await askClient([...client, 'container', 'inspect', name])
  if (finished.code !== 0 && /no such (container|object)|no container with name or ID/i.test(finished.stderr)) return []
  const found = finished.code === 0 ? parseInspected(finished.stdout) : undefined
  if (!found) throw new CnilabError('state', reasonOf(finished))
  return found
}

/** `isHere` says that its process is known to be one of this machine. */
function candidate(title: string, client: string, name: string, one: Inspected, isHere: boolean): Candidate[] {
  const how = fit(name, one.id, [one.name])
  if (how === undefined) return []
  const common = { what: `the ${title} container ${one.name} (${shortId(one.id)})`, isWhole: how === 'whole' }
  if (one.pid === 0)
    return [
      { ...common, without: { why: `is not running (${one.status})`, fix: `${client} start ${quote(one.name)}` } },
    ]
  // The mounted file outlives the process, and is never that of another one.
  if (one.sandboxKey !== '' && netnsAt(MACHINE, one.sandboxKey)) return [{ ...common, netns: one.sandboxKey }]
  if (isHere) return [{ ...common, netns: netnsOfProcess(one.pid) }]
  return [
    {
      ...common,
      without: {
        why: `has process ${one.pid}, which is not its process on this machine`,
        fix: `${title} may run in a virtual machine, as Docker Desktop does, or in another pid namespace: run cnilab there`,
      },
    },
  ]
}
