import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { types } from '../plugins/types.ts'
import { exclusively, explained, requireTrustOf } from './folder.ts'
import { look, namesIn } from './ours.ts'

/** What was taken back. */
export interface Uninstalled {
  folder: string
  removed: readonly string[]
  /** What has the name of one of our plugins and is somebody else's: it stays. */
  left: readonly string[]
}

/**
 * Removes the executables that we installed into a folder, by whatever name, and nothing else. Throws CnilabError
 * `machine` where it may not.
 */
export async function uninstall(folder: string): Promise<Uninstalled> {
  try {
    requireTrustOf(folder)
    if (namesIn(folder).length === 0) return { folder, removed: [], left: [] }
    return await exclusively(folder, () => {
      const { ours, foreign } = look(folder, namesIn(folder))
      for (const name of ours) rmSync(join(folder, name))
      return { folder, removed: ours, left: foreign.filter((name) => Object.hasOwn(types, name)) }
    })
  } catch (error) {
    throw explained(folder, error)
  }
}
