import { accessSync, constants, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { CnilabError } from '../../errors.ts'
import { askPlugin } from './ask-plugin.ts'
import { pluginFile } from './find-plugin.ts'

/** A file in a plugin directory. */
export interface PluginFile {
  /** Its name, as in a configuration's `type`. */
  type: string
  file: string
  speaks: readonly string[]
  madeBy?: string
  /** Why it cannot be used. */
  wrong?: string
  /** The file of this name in an earlier directory, which takes precedence. */
  hiddenBy?: string
}

/** How many plugins are asked at most, all in parallel. */
const MAX_PLUGINS = 100

/**
 * Lists the files in plugin directories, in the order in which a runtime searches them, and asks each for its versions.
 * Throws CnilabError `usage` if there are implausibly many: running all programs in /usr/bin could do anything.
 */
export async function listPlugins(folders: readonly string[]): Promise<PluginFile[]> {
  const files = folders.flatMap((folder) => pluginNames(folder).map((type) => ({ type, file: join(folder, type) })))
  if (files.length > MAX_PLUGINS)
    throw new CnilabError(
      'usage',
      `there are ${files.length} files in ${folders.join(' and ')}, but at most ${MAX_PLUGINS} plugins are asked`,
      { fix: 'name only the folder of the plugins: --bin-dir /opt/cni/bin' },
    )
  return Promise.all(
    files.map(async ({ type, file }) => {
      const winner = pluginFile(type, folders)
      const hidden = winner !== undefined && winner !== file ? { hiddenBy: winner } : {}
      const wrong = wrongFile(file)
      const answer = wrong ?? (await askPlugin(file))
      return typeof answer === 'string'
        ? { type, file, speaks: [], wrong: answer, ...hidden }
        : { type, file, ...answer, ...hidden }
    }),
  )
}

/** The names of all files in a plugin directory, sorted; empty if it cannot be read. */
export function pluginNames(folder: string): string[] {
  try {
    return readdirSync(folder).toSorted()
  } catch {
    return []
  }
}

/** Why a file is not an executable, in words; undefined if it is one. */
export function wrongFile(file: string): string | undefined {
  try {
    if (!statSync(file).isFile()) return 'not a file'
    accessSync(file, constants.X_OK)
    return undefined
  } catch (error) {
    const isThere = error instanceof Error && 'code' in error && error.code === 'EACCES'
    return isThere ? 'not executable: chmod +x' : 'a link that leads nowhere'
  }
}
