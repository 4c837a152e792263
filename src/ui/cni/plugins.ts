import type { KnownPlugin } from '../../cni/config/known-plugins.ts'
import type { PluginFile } from '../../cni/programs/list.ts'
import type { Text } from '../terminal/drawn.ts'
import { indented, labelled } from '../terminal/layout.ts'
import { style } from '../terminal/style.ts'
import { table } from '../terminal/table.ts'
import { draw, join } from '../terminal/text.ts'

/** A plugin's file, and what is known of its type. */
export interface DescribedPlugin extends PluginFile {
  known?: KnownPlugin
}

/** A table of the usable plugins, below it the other files, with the reason, and what all of them are for. */
export function pluginsText(plugins: readonly DescribedPlugin[]): Text {
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
    draw`\n${style.title('What they are for')}`,
    ...purposes(plugins),
  ]
  return join(lines, '\n')
}

/** What each type is for, under who maintains it or that nobody does, and what to use in its place. */
function purposes(plugins: readonly DescribedPlugin[]): Text[] {
  const each = [...new Map(plugins.map((one) => [one.type, one])).values()]
  const width = Math.max(...each.map(({ type }) => type.length))
  return [...Map.groupBy(each, ({ known }) => standing(known))].flatMap(([words, group]) => [
    indented(words, 2),
    ...group.map(({ type, known }) =>
      known ? labelled(`    ${type.padEnd(width)}  `, known.does) : draw`    ${type}`,
    ),
  ])
}

function standing(known: KnownPlugin | undefined): string {
  if (!known) return 'Not known to cnilab. Whose a file is, dpkg -S FILE or rpm -qf FILE may tell:'
  const { by, ended, instead } = known
  return ended === undefined
    ? `Maintained by ${by}; ${instead}:`
    : `No longer maintained. It was by ${by}: ${ended}. Instead: ${instead}:`
}

/** A range of versions: `0.1.0–1.0.0`. */
function span(versions: readonly string[]): string {
  const [first = '', last = first] = [versions[0], versions.at(-1)]
  return first === last ? first : `${first}–${last}`
}
