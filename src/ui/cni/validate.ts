import type { Validation } from '../../cni/config/validate.ts'
import type { Text } from '../terminal/drawn.ts'
import { indented } from '../terminal/layout.ts'
import { style } from '../terminal/style.ts'
import { draw, join } from '../terminal/text.ts'

/** Each mistake as `file:line:column: error: what`, why it matters and what to do; and their number. */
export function validationText({ files, mistakes }: Validation): Text {
  const lines = mistakes.flatMap(({ file, line, column, severity, what, why, fix }) => [
    draw`${file}:${line}:${column}: ${severity === 'error' ? style.bad('error') : style.warn('warning')}: ${what}`,
    ...(why === undefined ? [] : [style.quiet(indented(why))]),
    ...(fix === undefined ? [] : [style.quiet(indented(fix))]),
  ])
  const count = (severity: string) => mistakes.filter((one) => one.severity === severity).length
  const many = (n: number, what: string) => `${n} ${what}${n === 1 ? '' : 's'}`
  const read = files.length === 0 ? 'no configurations' : many(files.length, 'configuration')
  return join([...lines, `${read}: ${many(count('error'), 'error')}, ${many(count('warning'), 'warning')}`], '\n')
}
