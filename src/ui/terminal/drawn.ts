import { visible } from '../../visible.ts'

/** Text that we drew. It may hold colours, which are ours; what came from elsewhere was made visible before it got in. */
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

/** What can be shown: a string, of which nothing is trusted, or what we drew. */
export type Printable = string | Text

/** What goes to a terminal, or to a library that draws on it: of a string all is made visible, a Text is as it is. */
export function drawn(text: Printable): string {
  return typeof text === 'string' ? visible(text) : Text.textOf(text)
}

/** What such a library drew of it. Nothing else may be trusted. */
export function trusted(text: string): Text {
  return new Text(text)
}
