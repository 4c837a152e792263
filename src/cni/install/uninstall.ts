import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { types } from '../plugins/types.ts'
import { whileLocked, explainError, requireTrustOf } from './folder.ts'
import { findFiles, namesInFolder } from './ours.ts'

/** The result of removing our plugins. */
export interface UninstallResult {
  folder: string
  removed: readonly string[]
  /** Other people's files with the names of our plugins, which stay. */
  left: readonly string[]
}

/**
 * Removes only the executables that we installed into a directory, under any name. Throws CnilabError `machine` if it may
 * not.
 */
export async function uninstall(folder: string): Promise<UninstallResult> {
  try {
    requireTrustOf(folder)
    if (namesInFolder(folder).length === 0) return { folder, removed: [], left: [] }
    return await whileLocked(folder, () => {
      const { ours, foreign } = findFiles(folder, namesInFolder(folder))
      for (const name of ours) rmSync(join(folder, name))
      return { folder, removed: ours, left: foreign.filter((name) => Object.hasOwn(types, name)) }
    })
  } catch (error) {
    throw explainError(folder, error)
  }
}
