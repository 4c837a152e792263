import { stripVTControlCharacters } from 'node:util'
import stringWidth from 'string-width'
import wrapAnsi from 'wrap-ansi'
import { drawn, type Printable, type Text, trusted } from './drawn.ts'
import { style } from './style.ts'
import { draw, join } from './text.ts'

/** The width of a line of text: the terminal's, but no wider than is easy to read. */
function textWidth(columns: number): number {
  return Math.max(20, Math.min(columns || 80, 100))
}

/** Breaks a text into lines. `indent` columns are already taken. */
export function wrapped(text: Printable, indent = 0, columns = process.stdout.columns): Text {
  return trusted(wrapAnsi(drawn(text), textWidth(columns) - indent))
}

/** Indents a text, breaking its lines. */
export function indented(text: Printable, by = 4): Text {
  const margin = ' '.repeat(by)
  return trusted(`${margin}${drawn(wrapped(text, by)).replaceAll('\n', `\n${margin}`)}`)
}

/** A label with a text beside it, on as many lines as it takes. */
export function labelled(label: Printable, text: Printable): Text {
  const width = stripVTControlCharacters(drawn(label)).length
  return join([label, trusted(drawn(indented(text, width)).trimStart())])
}

/** Columns in front of a command: `  $ `. */
const PROMPT = 4

/**
 * A command line for the terminal, which can be copied as it is: where it is too long, a backslash continues it on the next
 * line. It breaks only at a space that is not quoted. A terminal is not asked of a pipe. `prompt`: columns in front of it.
 */
export function commandLines(line: string, prompt = PROMPT, columns = process.stdout.columns): string {
  const width = process.stdout.isTTY ? columns - prompt : Number.POSITIVE_INFINITY
  if (line.length <= width || line.includes('\n')) return line
  const words = line.match(/(?:[^\s'"\\]|\\.|'[^']*'|"(?:[^"\\]|\\.)*")+/g) ?? [line]
  const lines: string[] = []
  for (const word of words) {
    const last = lines.at(-1)
    if (last === undefined) lines.push(word)
    else if (last.length + 1 + word.length + 2 <= width) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(`  ${word}`)
  }
  // A word that is too long in itself is left to the terminal, from which it can be copied whole.
  const parts = lines.map((part, i) => (i === lines.length - 1 ? part : `${part} \\`))
  const whole = parts.map((part) => (part.length > width ? part.replaceAll(' ', NO_BREAK) : part))
  return whole.join(`\n${' '.repeat(prompt)}`)
}

/** A command line as one types it, behind a `$`. `margin`: columns that something else puts in front of each line. */
export function typed(line: string, indent = 2, margin = 0): Text {
  const room = process.stdout.columns - margin
  return draw`${' '.repeat(indent)}$ ${style.command(commandLines(line, indent + 2, room))}`
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
    .map((line) => (isTable(line) ? line : hanging(line, process.stdout.columns)))
  return trusted(lines.join('\n').replaceAll(NO_BREAK, ' '))
}

/** Whether it is a line of a table or of a picture, of which the parts of a broken one would mean nothing. */
function isTable(line: string): boolean {
  return /^\s*[|│┌├└]/.test(stripVTControlCharacters(line))
}

/** What a line may begin with before its first word: spaces, and a bullet, a number, a sign or a `$`. */
const MARK = /^\s*(?:(?:[-+•*·✔✖○=▸›$]|\d+\.) )?/

/** Breaks a line. What comes after the first break stands below the first word. */
function hanging(line: string, columns: number): string {
  const indent = MARK.exec(stripVTControlCharacters(line))?.[0].length ?? 0
  const margin = /^ */.exec(line)?.[0] ?? ''
  const broken = drawn(wrapped(trusted(line.slice(margin.length)), indent, columns))
  return `${margin}${broken.replaceAll('\n', `\n${' '.repeat(indent)}`)}`
}

/** Breaks only those lines that are wider than a terminal; what does not go to one stays as it is. */
export function fitting(text: Printable, { isTTY, columns }: Pick<NodeJS.WriteStream, 'isTTY' | 'columns'>): Text {
  const all = drawn(text)
  if (!isTTY || all.length <= columns / 2) return trusted(all)
  const lines = all
    .split('\n')
    .map((line) =>
      line.length <= columns / 2 || stringWidth(line) <= columns || isTable(line) ? line : hanging(line, columns),
    )
  return trusted(lines.join('\n').replaceAll(NO_BREAK, ' '))
}

/** The first sentence of a Markdown text, as plain text. */
export function firstSentence(text: string): string {
  const plain = text.trim().replaceAll(/[*_`]/g, '').replaceAll(/\s+/g, ' ')
  return /^.*?[.!?](?= |$)/.exec(plain)?.[0] ?? plain
}
