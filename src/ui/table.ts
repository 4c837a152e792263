import { style } from './style.ts'

/** Rows under a heading, in columns as wide as their widest cell. Cells hold no colour codes. */
export function table(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = heading.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)))
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd()
  return [style.title(line(heading)), ...rows.map(line)].join('\n')
}
