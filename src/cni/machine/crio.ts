import { readdirSync } from 'node:fs'
import { MAX_FILES } from '../config/config-file.ts'
import { asList, asString, type JsonObject } from '../config/check-keys.ts'
import { DEFAULT_CONF_DIR } from '../config/folders.ts'
import { flagOf, type Process } from './processes.ts'
import { type Runtime, type Setting, settingOf } from './runtime.ts'
import { readToml, tableAt } from './toml-file.ts'

/** CRI-O's CNI settings, from its flags and files. Undefined if it neither runs nor has a file. */
export function crioOf(process: Process | undefined, root: string): Runtime | undefined {
  const own = process?.root ?? root
  const args = process?.args ?? []
  const folder = flagOf(args, '--config-dir', '-d') ?? '/etc/crio/crio.conf.d'
  const names = [flagOf(args, '--config', '-c') ?? '/etc/crio/crio.conf', ...dropIns(own, folder)]
  const all = names.flatMap((name) => readToml(`${own}${name}`) ?? [])
  if (all.length === 0 && !process) return undefined
  const read = all.flatMap((one) => ('content' in one ? [one] : []))
  const seen = (file: string) => file.slice(own.length)
  const said = <T>(flag: string, of: (table: JsonObject) => T | undefined, fromFlag: (text: string) => T) => {
    const given = flagOf(args, flag)
    if (given !== undefined) return { value: fromFlag(given), from: flag }
    return read
      .flatMap(({ file, content }): Setting<T>[] => {
        const value = of(tableAt(content, 'crio', 'network') ?? {})
        return value === undefined ? [] : [{ value, from: seen(file) }]
      })
      .at(-1)
  }
  const text = (key: string) => (table: JsonObject) => asString(table[key]) || undefined
  const network = said('--cni-default-network', text('cni_default_network'), (name) => name)
  const plugins = said(
    '--cni-plugin-dir',
    (table) => {
      const several = asList(table['plugin_dirs']).flatMap((one) => asString(one) ?? [])
      return several.length > 0 ? several : undefined
    },
    (folders) => folders.split(','),
  )
  return {
    program: 'CRI-O',
    ...(process ? { pid: process.pid } : {}),
    root: own,
    files: read.map(({ file }) => seen(file)),
    confDir: settingOf(
      said('--cni-config-dir', text('network_dir'), (name) => name),
      DEFAULT_CONF_DIR,
    ),
    binDirs: settingOf<readonly string[]>(plugins, ['/opt/cni/bin']),
    ...(network ? { network } : {}),
    notes: all.flatMap((one) => ('wrong' in one ? [`cannot read ${seen(one.file)}: ${one.wrong}`] : [])),
  }
}

/** The files that override crio.conf, in order: the last one wins. */
function dropIns(root: string, folder: string): string[] {
  try {
    return readdirSync(`${root}${folder}`)
      .toSorted()
      .slice(0, MAX_FILES)
      .map((name) => `${folder}/${name}`)
  } catch {
    return []
  }
}
