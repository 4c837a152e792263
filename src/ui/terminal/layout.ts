import { stripVTControlCharacters } from 'node:util'
import wrapAnsi from 'wrap-ansi'
import { drawn, type Printable, type Text, trusted } from './drawn.ts'
import { join } from './text.ts'

/** The width of a line of text: the terminal's, but no wider than is easy to read. */
function textWidth(): number {
  return Math.max(20, Math.min(process.stdout.columns || 80, 100))
}

/** Breaks a text into lines. `indent` columns are already taken. */
export function wrapped(text: Printable, indent = 0): Text {
  return trusted(wrapAnsi(drawn(text), textWidth() - indent))
}

/** Indents a text, breaking its lines. */
export function indented(text: Printable, by = 4): Text {
  const margin = ' '.repeat(by)
  return trusted(`${margin}${drawn(wrapped(text, by)).replaceAll('\n', `\n${margin}`)}`)
}

/** A label with a text beside it, on as many lines as it takes. */
export function labelled(label: string, text: Printable): Text {
  return join([label, trusted(drawn(indented(text, label.length)).trimStart())])
}

/** Columns in front of a command: `  $ `. */
const PROMPT = 4

/**
 * A command line for the terminal, which can be copied as it is: where it is too long, a backslash continues it on the next
 * line. It breaks only at a space that is not quoted. A terminal is not asked of a pipe.
 */
export function commandLines(line: string): string {
  const width = process.stdout.isTTY ? process.stdout.columns - PROMPT : Number.POSITIVE_INFINITY
  if (line.length <= width || line.includes('\n')) return line
  const words = line.match(/(?:[^\s'"\\]|\\.|'[^']*'|"(?:[^"\\]|\\.)*")+/g) ?? [line]
  const lines: string[] = []
  for (const word of words) {
    const last = lines.at(-1)
    if (last === undefined) lines.push(word)
    else if (last.length + 1 + word.length + 2 <= width) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(`  ${word}`)
  }
  return lines.join(` \\\n${' '.repeat(PROMPT)}`)
}

/** A space at which no line is broken; it is drawn as a common one. */
export const NO_BREAK = '\u00a0'

/** Texts in a row, on as many lines as they take, without a line break inside any of them. */
export function inRows(texts: readonly Printable[], between: string): Text {
  const whole = texts.map((text) => trusted(drawn(text).replaceAll(' ', NO_BREAK)))
  return trusted(drawn(wrapped(join(whole, between))).replaceAll(NO_BREAK, ' '))
}

/** Breaks the lines of a drawn text, with hanging indents for list items. */
export function fitted(text: Printable): Text {
  const lines = drawn(text)
    .split('\n')
    .map((line) => {
      const plain = stripVTControlCharacters(line)
      if (/^[|│┌├└+]/.test(plain)) return line // a table
      const hanging = /^\s*([-•*]|\d+\.) /.exec(plain)?.[0].length ?? 0
      return drawn(wrapped(trusted(line), hanging)).replaceAll('\n', `\n${' '.repeat(hanging)}`)
    })
  return trusted(lines.join('\n').replaceAll(NO_BREAK, ' '))
}

/** The first sentence of a Markdown text, as plain text. */
export function firstSentence(text: string): string {
  const plain = text.trim().replaceAll(/[*_`]/g, '').replaceAll(/\s+/g, ' ')
  return /^.*?[.!?](?= |$)/.exec(plain)?.[0] ?? plain
}
