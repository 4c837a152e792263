import { writeWhole } from '../../kernel/write.ts'
import { visibleJson } from '../../visible.ts'
import { drawn, type Printable } from './drawn.ts'
import { fitting } from './layout.ts'

// All output of this program is printed here, except for that of drawing libraries, which get the result of `drawn`.

/** Shows a text on separate lines. */
export type Log = (text: Printable) => void

/** Prints lines on standard output. On a terminal, those that are too wide are broken between words. */
export function print(text: Printable): void {
  process.stdout.write(`${drawn(fitting(text, process.stdout))}\n`)
}

/** Prints lines on standard error, for everything but the result; on a terminal as `print` does. */
export function printError(text: Printable): void {
  process.stderr.write(`${drawn(fitting(text, process.stderr))}\n`)
}

/** Passes another program's standard error on to ours. */
export function relayStderr(message: string): void {
  process.stderr.write(drawn(message))
}

/** Prints a JSON document on standard output. */
export function printJson(document: unknown): void {
  process.stdout.write(`${visibleJson(document, 2)}\n`)
}

/** Writes a result, whose control characters are already visible, immediately. Throws if that fails, while there is still time to react. */
export function writeResult(text: string): void {
  writeWhole(1, text)
}

/** Erases the line of the terminal's standard error that the cursor is on (ECMA-48, EL and CHA). */
export function eraseLine(): void {
  process.stderr.write('\u001b[2K\u001b[G')
}

/** Clears the terminal. */
export function clearScreen(): void {
  process.stdout.write('\u001b[2J\u001b[H')
}
