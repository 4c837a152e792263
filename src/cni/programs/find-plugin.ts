import type { Stats } from 'node:fs'
import { join } from 'node:path'
import { statOf } from '../../kernel/read-file.ts'
import { quote } from '../../plan/command-line.ts'
import { CODE, CniError } from '../protocol/error.ts'

/** The file of this very plugin; all of ours are one file under several names. */
let own: Stats | undefined

/** Sets the file that this process was started from. */
export function setOwnFile(path: string): void {
  own = statOf(path)
}

/** A plugin's file, and whether it is one of ours, which this process can do by itself. */
export interface FoundPlugin {
  file: string
  isOwn: boolean
}

/** The directories to search for plugins without CNI_PATH: the package's own first. */
export function defaultFolders(packageFolder: string): string[] {
  return [`${packageFolder}/dist/plugins`, '/opt/cni/bin', '/usr/lib/cni']
}

/** The file that a runtime calls for a type: the first of that name. If it fails, the runtime does not look for another. */
export function pluginFile(type: string, folders: readonly string[]): string | undefined {
  return folders.map((folder) => join(folder, type)).find((file) => statOf(file)?.isFile() === true)
}

/** Finds a plugin that another one calls, in the directories of CNI_PATH (CNI spec 1.1.0, "Plugin Delegation"). Throws CniError. */
export function findDelegate(type: string, path: readonly string[]): FoundPlugin {
  if (type === '.' || type === '..' || type.includes('/'))
    throw new CniError(CODE.config, `'${type}' is not a plugin type: it is the name of a file in CNI_PATH`)
  const file = pluginFile(type, path)
  const found = file === undefined ? undefined : statOf(file)
  if (file !== undefined && found)
    return { file, isOwn: own !== undefined && found.ino === own.ino && found.dev === own.dev }
  throw new CniError(
    CODE.config,
    `there is no plugin '${type}' in CNI_PATH (${path.join(':') || 'which is empty'})`,
    `install it there, or in another folder that the runtime has for CNI plugins, such as ${quote(path[0] ?? '/opt/cni/bin')}`,
  )
}
