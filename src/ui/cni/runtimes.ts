import type { FolderSummary, RuntimeSummary } from '../../cni/machine/summary.ts'
import type { Text } from '../terminal/drawn.ts'
import { indented } from '../terminal/layout.ts'
import { style } from '../terminal/style.ts'
import { draw, join } from '../terminal/text.ts'

/** The runtimes, their settings, where those come from, and the content of their directories. */
export function runtimesText(runtimes: readonly RuntimeSummary[]): Text {
  return join(runtimes.map(runtimeText), '\n\n')
}

function runtimeText(runtime: RuntimeSummary): Text {
  const { program, pid, endpoint, network, confDir, binDirs, notes, configurations, plugins } = runtime
  const line = (what: string, value: string, from: string) =>
    draw`  ${what.padEnd(16)}${value} ${style.quiet(`(${from})`)}`
  const lines = [
    draw`${style.title(program)} ${pid === undefined ? 'is not running, but its settings are here' : `runs with pid ${pid}`}`,
    ...(endpoint ? [line('uses', endpoint.value, endpoint.from)] : []),
    ...(confDir ? [line('configurations', confDir.value, confDir.from), ...content(configurations)] : []),
    ...(binDirs ? [line('plugins', binDirs.value.join(', '), binDirs.from), ...content(plugins)] : []),
    ...(network ? [line('uses network', network.value, network.from)] : []),
    ...notes.map((note) => indented(note, 2)),
  ]
  return join(lines, '\n')
}

function content(folders: readonly FolderSummary[]): Text[] {
  return folders.map(({ folder, names, wrong }) => {
    const list = wrong ?? (names.length === 0 ? 'empty' : names.join(' '))
    return style.quiet(indented(folders.length === 1 ? list : `${folder}: ${list}`, 18))
  })
}
