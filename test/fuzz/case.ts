/** What the driver is to do: a call of a plugin, or a command line. */
export type Case = { type: string; env: Readonly<Record<string, string>>; input: string } | { argv: readonly string[] }

/** What came of it, and whether files or the network are other than before. */
export interface Outcome {
  code: number
  stdout: string
  stderr: string
  ms: number
  changed: boolean
}
