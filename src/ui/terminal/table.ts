import stringWidth from 'string-width'
import { visibleLine } from '../../visible.ts'
import { drawn, type Text, trusted } from './drawn.ts'
import { style } from './style.ts'

/** The space between two columns. */
const GAP = '  '

/** Rows under a heading, in columns as wide as their widest cell, without lines. */
export function table(heading: readonly string[], rows: readonly (readonly string[])[]): Text {
  const cells = [heading.map((word) => drawn(style.title(word))), ...rows.map((row) => row.map(visibleLine))]
  const widths = heading.map((_, i) => cells.reduce((most, row) => Math.max(most, stringWidth(row[i] ?? '')), 0))
  const padded = (cell: string, i: number) => cell + ' '.repeat((widths[i] ?? 0) - stringWidth(cell))
  return trusted(cells.map((row) => row.map(padded).join(GAP).trimEnd()).join('\n'))
}
