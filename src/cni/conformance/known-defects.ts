/** A rule that a published plugin is known to break. */
export interface KnownDefect {
  check: string
  /** The plugin types that have it. */
  types: readonly string[]
  /** What goes wrong. */
  what: string
  /** Where it was reported, if it was. */
  issue?: string
}

/** The plugins of the CNI project themselves, as version 1.1.1 shows itself: it speaks versions up to 1.0.0. */
export const REFERENCE = { maker: 'containernetworking/plugins', version: '1.1.1', newest: '1.0.0' }

/** What the reference plugins are known to do wrong, as this suite has seen it in 1.1.1. */
export const KNOWN_DEFECTS: readonly KnownDefect[] = []
