/**
 * What a plugin does in an attachment, which decides what can be asked of it: makes an interface, changes one that
 * another plugin made (`chained`), gives addresses (`ipam`), or brings `lo` up.
 */
export type Kind = 'interface' | 'chained' | 'ipam' | 'loopback'

/** The plugin broke a rule. */
export class Violation extends Error {
  readonly expected: string
  readonly actual: string

  constructor(expected: string, actual: string) {
    super(`expected ${expected}, but ${actual}`)
    this.expected = expected
    this.actual = actual
  }
}

/** The check says nothing about this plugin, this configuration or this kernel; the message is the reason. */
export class NotApplicable extends Error {}

/** Throws Violation unless something holds. */
export function demand(holds: boolean, expected: string, actual: string): asserts holds {
  if (!holds) throw new Violation(expected, actual)
}
