import type { PluginFile } from '../../cni/programs/list.ts'
import type { Text } from '../terminal/drawn.ts'
import { indented } from '../terminal/layout.ts'
import { style } from '../terminal/style.ts'
import { table } from '../terminal/table.ts'
import { draw, join } from '../terminal/text.ts'

/** A table of the usable plugins, and below it the other files, with the reason. */
export function pluginsText(plugins: readonly PluginFile[]): Text {
  const usable = plugins.filter(({ wrong }) => wrong === undefined)
  const rows = usable.map(({ type, file, speaks, madeBy }) => [type, file, span(speaks), madeBy ?? ''])
  const other = plugins.flatMap(({ file, wrong, hiddenBy }) => [
    ...(wrong === undefined ? [] : [`${file}: ${wrong}`]),
    ...(hiddenBy === undefined ? [] : [`${file} is never called: ${hiddenBy} comes first`]),
  ])
  const lines = [
    ...(rows.length === 0 ? [] : [table(['TYPE', 'FILE', 'VERSIONS', 'MADE BY'], rows)]),
    ...(other.length === 0 ? [] : [draw`${rows.length === 0 ? '' : '\n'}${style.title('Note')}`]),
    ...other.map((line) => indented(line, 2)),
  ]
  return join(lines, '\n')
}

/** A range of versions: `0.1.0–1.0.0`. */
function span(versions: readonly string[]): string {
  const [first = '', last = first] = [versions[0], versions.at(-1)]
  return first === last ? first : `${first}–${last}`
}
