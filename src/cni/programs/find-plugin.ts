import type { Stats } from 'node:fs'
import { join } from 'node:path'
import { statOf } from '../../kernel/read-file.ts'
import { quote } from '../../plan/command-line.ts'
import { CODE, CniError } from '../protocol/error.ts'

/** The file of this plugin itself; all of ours are one file under several names. */
let own: Stats | undefined

/** Says which file this process was started from. */
export function setOwnFile(path: string): void {
  own = statOf(path)
}

/** A plugin that was found: its file, and whether it is one of ours, which this process can do by itself. */
export interface FoundPlugin {
  file: string
  isOwn: boolean
}

/** Finds a plugin by its type in the folders of CNI_PATH (CNI spec 1.1.0, "Plugin Delegation"). Throws CniError. */
export function findPlugin(type: string, path: readonly string[]): FoundPlugin {
  if (type === '.' || type === '..' || type.includes('/'))
    throw new CniError(CODE.config, `'${type}' is not a plugin type: it is the name of a file in CNI_PATH`)
  for (const folder of path) {
    const file = join(folder, type)
    const found = statOf(file)
    if (found?.isFile()) return { file, isOwn: own !== undefined && found.ino === own.ino && found.dev === own.dev }
  }
  throw new CniError(
    CODE.config,
    `there is no plugin '${type}' in CNI_PATH (${path.join(':') || 'which is empty'})`,
    `install it there, for example with: cnilab cni install --bin-dir ${quote(path[0] ?? '/opt/cni/bin')}`,
  )
}
