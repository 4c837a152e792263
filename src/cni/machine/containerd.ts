import { readdirSync } from 'node:fs'
import { basename, dirname, isAbsolute, join } from 'node:path'
import { MAX_FILES } from '../config/config-file.ts'
import { matches } from '../../wildcard.ts'
import { asList, asString, type JsonObject } from '../config/check-keys.ts'
import { DEFAULT_CONF_DIR } from '../config/folders.ts'
import { flagOf, type Process } from './processes.ts'
import { type Runtime, type Setting, settingOf } from './runtime.ts'
import { readToml, tableAt } from './toml-file.ts'

const FILE = '/etc/containerd/config.toml'

/** The name of the CRI plugin in each version of containerd's file. */
const tables = [
  ['plugins', 'io.containerd.cri.v1.runtime', 'cni'], // version 3, containerd 2
  ['plugins', 'io.containerd.grpc.v1.cri', 'cni'], // version 2
  ['plugins', 'cri', 'cni'], // version 1
] as const

/** containerd's CNI settings, from its file and the files that it imports. Undefined if it neither runs nor has a file. */
export function containerdOf(process: Process | undefined, root: string): Runtime | undefined {
  const own = process?.root ?? root
  const named = (process && flagOf(process.args, '--config', '-c')) ?? FILE
  const main = readToml(`${own}${named}`)
  if (!main && !process) return undefined
  const imports = main && 'content' in main ? importsOf(main.content, named, own) : []
  const all = [...(main ? [main] : []), ...imports.flatMap((file) => readToml(file) ?? [])]
  const read = all.flatMap((one) => ('content' in one ? [one] : []))
  const seen = (file: string) => file.slice(own.length)
  // Imported files override the one that imports them.
  const said = <T>(of: (table: JsonObject) => T | undefined): Setting<T> | undefined =>
    read
      .flatMap(({ file, content }) => {
        const found = tables.map((names) => tableAt(content, ...names)).map((table) => table && of(table))
        const value = found.find((one) => one !== undefined)
        return value === undefined ? [] : [{ value, from: seen(file) }]
      })
      .at(-1)
  const disabled = read.some(({ content }) =>
    asList(content['disabled_plugins']).some((name) => /(^|\.)cri$/.test(String(name))),
  )
  return {
    program: 'containerd',
    ...(process ? { pid: process.pid } : {}),
    root: own,
    files: read.map(({ file }) => seen(file)),
    confDir: settingOf(
      said((table) => asString(table['conf_dir']) || undefined),
      DEFAULT_CONF_DIR,
    ),
    binDirs: settingOf(said(binDirsOf), ['/opt/cni/bin']),
    maxConfNum: settingOf(
      said((table) => (typeof table['max_conf_num'] === 'number' ? table['max_conf_num'] : undefined)),
      1,
    ),
    notes: [
      ...all.flatMap((one) => ('wrong' in one ? [`cannot read ${seen(one.file)}: ${one.wrong}`] : [])),
      ...(disabled ? ['its CRI plugin is disabled: it serves Docker, not a kubelet (disabled_plugins)'] : []),
    ],
  }
}

function binDirsOf(table: JsonObject): readonly string[] | undefined {
  const several = asList(table['bin_dirs']).flatMap((one) => asString(one) ?? [])
  const single = asString(table['bin_dir'])
  return several.length > 0 ? several : single ? [single] : undefined
}

function importsOf(content: JsonObject, from: string, root: string): string[] {
  return asList(content['imports']).flatMap((one) => {
    const pattern = asString(one) ?? ''
    if (pattern === '') return []
    return filesLike(root, isAbsolute(pattern) ? pattern : join(dirname(from), pattern))
  })
}

/** The files that match a pattern, sorted. The last part of the path may contain `*`, as in conf.d/*.toml. */
function filesLike(root: string, pattern: string): string[] {
  const folder = `${root}${dirname(pattern)}`
  try {
    const names = readdirSync(folder).filter((name) => matches(basename(pattern), name))
    return names
      .toSorted()
      .slice(0, MAX_FILES)
      .map((name) => join(folder, name))
  } catch {
    return [] // there is no such folder
  }
}
