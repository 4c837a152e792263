// The table that `npm run bench` prints.
const rows: string[][] = []

/** Adds a row; without a bound it informs only. */
export function row(what: string, ours: number, theirs: number, bound?: number, runs = 1, unit = 'ms'): void {
  const ratio = ours / theirs
  const verdict = bound === undefined ? '' : ratio <= bound ? 'OK' : 'over'
  const values = [ours, theirs].map((value) => `${value.toFixed(0)} ${unit}`)
  rows.push([what, ...values, ratio.toFixed(2), bound === undefined ? '-' : `<= ${bound}`, verdict, `${runs}`])
}

/** Adds a row for something of which nothing may be left. */
export function noneLeft(what: string, left: number): void {
  rows.push([what, `${left}`, '-', '-', '<= 0', left === 0 ? 'OK' : 'over', '1'])
}

/** Prints all rows so far. */
export function printTable(): void {
  const heading = ['what', 'cnilab', 'other', 'ratio', 'bound', '', 'runs']
  const widths = heading.map((title, i) => Math.max(title.length, ...rows.map((cells) => cells[i]?.length ?? 0)))
  for (const cells of [heading, ...rows])
    process.stdout.write(`${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ')}\n`)
}
