import { stripVTControlCharacters } from 'node:util'
import wrapAnsi from 'wrap-ansi'

/** How wide a line of text may be: the terminal's width, but no wider than is easily read. */
function textWidth(): number {
  return Math.max(20, Math.min(process.stdout.columns || 80, 100))
}

/** Breaks a text into lines. `indent`: so many columns are taken already. */
export function wrapped(text: string, indent = 0): string {
  return wrapAnsi(text, textWidth() - indent)
}

/** Moves a text to the right, breaking its lines. */
export function indented(text: string, by = 4): string {
  return wrapped(text, by)
    .split('\n')
    .map((line) => `${' '.repeat(by)}${line}`)
    .join('\n')
}

/** Breaks the lines of a text that was drawn; what goes on below a list's mark stands under its text. */
export function fitted(drawn: string): string {
  return drawn
    .split('\n')
    .map((line) => {
      const plain = stripVTControlCharacters(line)
      if (/^[|│┌├└+]/.test(plain)) return line // a table
      const hanging = /^\s*([-•*]|\d+\.) /.exec(plain)?.[0].length ?? 0
      return wrapped(line, hanging).replaceAll('\n', `\n${' '.repeat(hanging)}`)
    })
    .join('\n')
}

/** A text's first sentence, without Markdown's marks. */
export function firstSentence(text: string): string {
  const plain = text.trim().replaceAll(/[*_`]/g, '').replaceAll(/\s+/g, ' ')
  return /^.*?[.!?](?= |$)/.exec(plain)?.[0] ?? plain
}
