import { drawn, type Printable, type Text, trusted } from './drawn.ts'

/** A template whose values become visible, unless they were drawn: draw`${mark.done} Removed '${name}'`. */
export function draw(literals: TemplateStringsArray, ...values: readonly (Printable | number)[]): Text {
  const shown = values.map((value) => drawn(typeof value === 'number' ? String(value) : value))
  return trusted(String.raw({ raw: literals }, ...shown))
}

/** Several texts as one. */
export function join(texts: readonly Printable[], between = ''): Text {
  return trusted(texts.map(drawn).join(drawn(between)))
}

/** The lines of a text. Colours do not go beyond a line's end. */
export function linesOf(text: Printable): Text[] {
  return drawn(text).split('\n').map(trusted)
}
