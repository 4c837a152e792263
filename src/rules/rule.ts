/** What a text means, in the one way to write it, or what is wrong with it, in words. */
export type Ruling = { value: string; problem?: undefined } | { value?: undefined; problem: string }

/**
 * A rule for a text that people write: an address, say, or a name. Apart from the schemas (src/operations/by-rule.ts), since a
 * CNI plugin has no time to load their library.
 */
export type Rule = (text: string) => Ruling
