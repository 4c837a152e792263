import { visible } from '../../visible.ts'

/** Text that we drew. Any escape sequences in it are ours: text from elsewhere was made visible before it got in. */
class Text {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  static textOf(text: Text): string {
    return text.#text
  }
}
export type { Text }

/** What can be shown: an untrusted string, or text that we drew. */
export type Printable = string | Text

/** The string for a terminal, or for a library that draws on one: control characters in a string are made visible, a Text stays as it is. */
export function drawn(text: Printable): string {
  return typeof text === 'string' ? visible(text) : Text.textOf(text)
}

/** Trusts the output of such a library. Use it for nothing else. */
export function trusted(text: string): Text {
  return new Text(text)
}
