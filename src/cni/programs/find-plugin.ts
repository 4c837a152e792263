import { accessSync, closeSync, constants, openSync, readSync, type Stats } from 'node:fs'
import { join } from 'node:path'
import { codeOf } from '../../kernel/code-of.ts'
import { START_SIZE, unstartable } from '../../kernel/program-file.ts'
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

/** Why the kernel would not start a file of this machine, in words; undefined if nothing speaks against it. */
export function wrongProgram(file: string): string | undefined {
  try {
    accessSync(file, constants.X_OK)
  } catch (error) {
    return codeOf(error) === 'EACCES' ? 'it is not executable: chmod +x' : 'it is a link that leads nowhere'
  }
  const bytes = startOf(file)
  if (!bytes) return undefined // it may be executable, but not readable
  const [, interpreter] = /^#! *([^ \n]+)/.exec(bytes.toString('latin1')) ?? []
  return unstartable({ bytes, hasInterpreter: interpreter === undefined || statOf(interpreter) !== undefined })
}

function startOf(file: string): Buffer | undefined {
  try {
    const descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK)
    try {
      const bytes = Buffer.alloc(START_SIZE)
      return bytes.subarray(0, readSync(descriptor, bytes))
    } finally {
      closeSync(descriptor)
    }
  } catch {
    return undefined
  }
}

/** Finds a plugin that another one calls, in the directories of CNI_PATH (CNI spec 1.1.0, "Plugin Delegation"). Throws CniError. */
export function findDelegate(type: string, path: readonly string[]): FoundPlugin {
  if (type === '.' || type === '..' || type.includes('/'))
    throw new CniError(CODE.config, `'${type}' is not a plugin type: it is the name of a file in CNI_PATH`)
  const file = pluginFile(type, path)
  const found = file === undefined ? undefined : statOf(file)
  if (file !== undefined && found) {
    const isOwn = own !== undefined && found.ino === own.ino && found.dev === own.dev
    const wrong = isOwn ? undefined : wrongProgram(file)
    if (wrong === undefined) return { file, isOwn }
    throw new CniError(
      CODE.delegate,
      `the plugin '${type}' cannot be started: ${file}: ${wrong}`,
      'put a program for this machine in its place',
    )
  }
  throw new CniError(
    CODE.config,
    `there is no plugin '${type}' in CNI_PATH (${path.join(':') || 'which is empty'})`,
    `install it there, or in another folder that the runtime has for CNI plugins, such as ${quote(path[0] ?? '/opt/cni/bin')}`,
  )
}
