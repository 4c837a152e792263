import { existsSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'

/**
 * Makes a folder and its parents where they are missing. Node's own `recursive` never ends where a folder cannot be made,
 * as in /proc. Throws what mkdir(2) says.
 */
export function makeFolder(folder: string, mode = 0o755): void {
  const parent = dirname(folder)
  if (existsSync(folder)) return
  if (parent !== folder) makeFolder(parent, mode)
  try {
    mkdirSync(folder, { mode })
  } catch (error) {
    if (!existsSync(folder)) throw error // else somebody else made it meanwhile
  }
}
