import { flagsFor, type Host } from '../../kernel/host.ts'
import type { Log } from './output.ts'

/** How to draw something: `plain` without box characters and symbols, for screen readers. */
export interface View {
  plain: boolean
  /** The flags with which a `cnilab` command acts on the same host. */
  flags: string
  log: Log
}

/** The view of a host. */
export function viewOf(host: Host, plain: boolean, log: Log): View {
  return { plain, flags: flagsFor(host), log }
}
