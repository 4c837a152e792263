import { stripVTControlCharacters } from 'node:util'
import wrapAnsi from 'wrap-ansi'
import { drawn, type Printable, type Text, trusted } from './drawn.ts'
import { join } from './text.ts'

/** How wide a line of text may be: the terminal's width, but no wider than is easily read. */
function textWidth(): number {
  return Math.max(20, Math.min(process.stdout.columns || 80, 100))
}

/** Breaks a text into lines. `indent`: so many columns are taken already. */
export function wrapped(text: Printable, indent = 0): Text {
  return trusted(wrapAnsi(drawn(text), textWidth() - indent))
}

/** Moves a text to the right, breaking its lines. */
export function indented(text: Printable, by = 4): Text {
  const margin = ' '.repeat(by)
  return trusted(`${margin}${drawn(wrapped(text, by)).replaceAll('\n', `\n${margin}`)}`)
}

/** A label, and beside it a text in as many lines as it takes. */
export function beside(label: string, text: Printable): Text {
  return join([label, trusted(drawn(indented(text, label.length)).trimStart())])
}

/** Texts one after the other, in as many lines as they take; none is broken itself. */
export function inRows(texts: readonly Printable[], between: string): Text {
  const whole = texts.map((text) => trusted(drawn(text).replaceAll(' ', '\u00a0')))
  return trusted(drawn(wrapped(join(whole, between))).replaceAll('\u00a0', ' '))
}

/** Breaks the lines of a text that was drawn; what goes on below a list's mark stands under its text. */
export function fitted(text: Printable): Text {
  const lines = drawn(text)
    .split('\n')
    .map((line) => {
      const plain = stripVTControlCharacters(line)
      if (/^[|│┌├└+]/.test(plain)) return line // a table
      const hanging = /^\s*([-•*]|\d+\.) /.exec(plain)?.[0].length ?? 0
      return drawn(wrapped(trusted(line), hanging)).replaceAll('\n', `\n${' '.repeat(hanging)}`)
    })
  return trusted(lines.join('\n'))
}

/** A text's first sentence, without Markdown's marks. */
export function firstSentence(text: string): string {
  const plain = text.trim().replaceAll(/[*_`]/g, '').replaceAll(/\s+/g, ' ')
  return /^.*?[.!?](?= |$)/.exec(plain)?.[0] ?? plain
}
