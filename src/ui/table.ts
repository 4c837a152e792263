import Table from 'cli-table3'
import { visibleLine } from '../visible.ts'
import { drawn, type Text, trusted } from './drawn.ts'
import { style } from './style.ts'

const noLines = Object.fromEntries(
  ['top', 'bottom', 'left', 'right'].flatMap((side) => [
    [side, ''],
    [`${side}-mid`, ''],
    [`${side}-left`, ''],
    [`${side}-right`, ''],
  ]),
)

/** Rows under a heading, in columns as wide as their widest cell, without lines between them. */
export function table(heading: readonly string[], rows: readonly (readonly string[])[]): Text {
  const grid = new Table({
    chars: { ...noLines, mid: '', 'mid-mid': '', middle: '  ' },
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] },
  })
  grid.push(
    heading.map((word) => drawn(style.title(word))),
    ...rows.map((row) => row.map(visibleLine)),
  )
  const lines = grid.toString().split('\n')
  return trusted(lines.map((line) => line.trimEnd()).join('\n'))
}
