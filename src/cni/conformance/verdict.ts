/**
 * What a plugin does in an attachment, which decides what to expect of it: it creates an interface, changes one that another
 * plugin created (`chained`), hands out addresses (`ipam`), or brings `lo` up.
 */
export type PluginKind = 'interface' | 'chained' | 'ipam' | 'loopback'

/** The error if the plugin breaks a rule. */
export class Violation extends Error {
  readonly expected: string
  readonly actual: string

  constructor(expected: string, actual: string) {
    super(`expected ${expected}, but ${actual}`)
    this.expected = expected
    this.actual = actual
  }
}

/** The error if the check does not apply to this plugin, configuration or kernel; the message is the reason. */
export class NotApplicable extends Error {}

/** Throws Violation unless `holds`. */
export function demand(holds: boolean, expected: string, actual: string): asserts holds {
  if (!holds) throw new Violation(expected, actual)
}
