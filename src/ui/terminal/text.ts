import { drawn, type Printable, type Text, trusted } from './drawn.ts'

/** A template tag that makes control characters in values visible, unless they are a Text: draw`${symbol.done} Removed '${name}'`. */
export function draw(literals: TemplateStringsArray, ...values: readonly (Printable | number)[]): Text {
  const shown = values.map((value) => drawn(typeof value === 'number' ? String(value) : value))
  return trusted(String.raw({ raw: literals }, ...shown))
}

/** Joins texts. */
export function join(texts: readonly Printable[], between = ''): Text {
  return trusted(texts.map(drawn).join(drawn(between)))
}

/** Splits a text into lines. Colours must not span lines. */
export function linesOf(text: Printable): Text[] {
  return drawn(text).split('\n').map(trusted)
}
