import { type Host, netnsFile } from './host.ts'

/**
 * Puts an argv into a namespace of the host. `nsenter`, because `ip -n` copies the mount table each time. Its file is
 * opened from within the sandbox: a link that a program put there must not lead to a namespace of the machine.
 */
export function inside(host: Host, netns: string | undefined, argv: readonly string[]): string[] {
  if (netns === undefined) return [...host.enter, ...argv]
  return [...host.enter, 'nsenter', `--net=${netnsFile(netns)}`, '--', ...argv]
}
