import type { Path } from './json-source.ts'

/** Something wrong in a configuration. `error`: it does not work. `warning`: it works, but probably not as meant. */
export interface Mistake {
  file: string
  line: number
  column: number
  severity: 'error' | 'warning'
  /** `plugins[0].ipam.subnet`; '' for the whole file. */
  key: string
  /** What is wrong, in one line. */
  what: string
  /** What it leads to. */
  why?: string
  /** What to do. */
  fix?: string
}

/** Reports a mistake in the current file; `at` says whether the key or its value is wrong. */
export type ReportMistake = (
  severity: Mistake['severity'],
  path: Path,
  what: string,
  more?: { why?: string; fix?: string; at?: 'key' | 'value' },
) => void

/** A path in words: `plugins[0].ipam`. */
export function keyName(path: Path): string {
  return path.map((step, i) => (typeof step === 'number' ? `[${step}]` : i === 0 ? step : `.${step}`)).join('')
}
