/** Whether all cases are to be tried (`npm run test:long`), and not only those that there is time for at each change. */
export const isLong = process.env['LONG'] !== undefined

/** Of a long row of like cases, each n-th where there is little time. */
export function some<T>(cases: readonly T[], n: number): T[] {
  return isLong ? [...cases] : cases.filter((_, i) => i % n === 0)
}
