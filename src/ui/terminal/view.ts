import { flagsFor, type Host } from '../../kernel/host.ts'
import type { Log } from './output.ts'

/** How something is drawn: `plain` without box characters and signs, for screen readers. */
export interface View {
  plain: boolean
  /** What a `cnilab` command needs to act on the same host. */
  flags: string
  log: Log
}

/** How to draw what is about a host. */
export function viewOf(host: Host, plain: boolean, log: Log): View {
  return { plain, flags: flagsFor(host), log }
}
