import { accessSync, constants, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { CnilabError } from '../../errors.ts'
import { askPlugin } from './ask-plugin.ts'
import { pluginFile } from './find-plugin.ts'

/** A file in a folder of plugins. */
export interface PluginFile {
  /** The name that a configuration's `type` has. */
  type: string
  file: string
  speaks: readonly string[]
  madeBy?: string
  /** Why it cannot be used. */
  wrong?: string
  /** The file of this name in an earlier folder, which is taken in its place. */
  hiddenBy?: string
}

/** So many plugins are asked, all at once. */
const MOST = 100

/**
 * Lists what is in folders of plugins, in the order in which a runtime searches them, and asks each what it speaks. Throws
 * CnilabError `usage` for more files than anybody has plugins: to run all programs of /usr/bin would do who knows what.
 */
export async function listPlugins(folders: readonly string[]): Promise<PluginFile[]> {
  const files = folders.flatMap((folder) => pluginNames(folder).map((type) => ({ type, file: join(folder, type) })))
  if (files.length > MOST)
    throw new CnilabError(
      'usage',
      `there are ${files.length} files in ${folders.join(' and ')}, and no more than ${MOST} plugins are asked`,
      { fix: 'name only the folder of the plugins: --bin-dir /opt/cni/bin' },
    )
  return Promise.all(
    files.map(async ({ type, file }) => {
      const winner = pluginFile(type, folders)
      const hidden = winner !== undefined && winner !== file ? { hiddenBy: winner } : {}
      const wrong = wrongFile(file)
      const said = wrong ?? (await askPlugin(file))
      return typeof said === 'string'
        ? { type, file, speaks: [], wrong: said, ...hidden }
        : { type, file, ...said, ...hidden }
    }),
  )
}

/** All names in a folder of plugins, sorted; none if it cannot be read. */
export function pluginNames(folder: string): string[] {
  try {
    return readdirSync(folder).toSorted()
  } catch {
    return []
  }
}

/** Why a file is no executable; undefined if it is one. */
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
