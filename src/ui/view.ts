import { flagsFor, type Host } from '../kernel/host.ts'

/** How something is drawn: `plain` without box characters and signs, for screen readers. */
export interface View {
  plain: boolean
  /** What a `cnilab` command needs to act on the same host. */
  flags: string
  log: (line: string) => void
}

/** How to draw what is about a host. */
export function viewOf(host: Host, plain: boolean, log: View['log']): View {
  return { plain, flags: flagsFor(host), log }
}
