import { confine } from './confine.ts'
import { type Host, netnsFile } from './host.ts'

/**
 * The argv that runs a program on the host, or in one of its namespaces. If that leads into a sandbox, this confines our own
 * process first. It enters a namespace with `nsenter`, because `ip -n` copies the mount table each time, and opens its file
 * from within the sandbox: a link in there must not lead to a namespace of the machine.
 */
export function inside(host: Host, netns: string | undefined, argv: readonly string[]): string[] {
  if (!host.inside) confine()
  if (netns === undefined) return [...host.enter, ...argv]
  return [...host.enter, 'nsenter', `--net=${netnsFile(netns)}`, '--', ...argv]
}
