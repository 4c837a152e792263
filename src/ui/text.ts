import { drawn, type Printable, type Text, trusted } from './drawn.ts'

/** A template whose values become visible, unless they were drawn: draw`${mark.done} Removed '${name}'`. */
export function draw(literals: TemplateStringsArray, ...values: readonly (Printable | number)[]): Text {
  return trusted(String.raw({ raw: literals }, ...values.map((value) => drawnValue(value))))
}

function drawnValue(value: Printable | number): string {
  return typeof value === 'number' ? String(value) : drawn(value)
}

/** Several texts as one. */
export function join(texts: readonly Printable[], between = ''): Text {
  return trusted(texts.map(drawn).join(drawn(between)))
}

/** The lines of a text. Colours do not go beyond a line's end. */
export function linesOf(text: Printable): Text[] {
  return drawn(text).split('\n').map(trusted)
}
