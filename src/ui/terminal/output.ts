import { writeWhole } from '../../kernel/write.ts'
import { visibleJson } from '../../visible.ts'
import { drawn, type Printable } from './drawn.ts'

// Everything that this program prints is printed here; libraries that draw by themselves are given what `drawn` returns.

/** Shows a text on lines of its own. */
export type Log = (text: Printable) => void

/** The same on standard output. */
export function print(text: Printable): void {
  process.stdout.write(`${drawn(text)}\n`)
}

/** What is not the result goes to standard error. */
export function tell(text: Printable): void {
  process.stderr.write(`${drawn(text)}\n`)
}

/** Passes on what another program says on its standard error. */
export function passOn(said: string): void {
  process.stderr.write(drawn(said))
}

/** One JSON document on standard output. */
export function printJson(document: unknown): void {
  process.stdout.write(`${visibleJson(document, 2)}\n`)
}

/** Writes a result, which is visible as it is, at once. Throws if it cannot be written, while that can still be minded. */
export function writeResult(text: string): void {
  writeWhole(1, text)
}

/** Empties the terminal. */
export function clearScreen(): void {
  process.stdout.write('\u001b[2J\u001b[H')
}
