import { existsSync, lstatSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'

/**
 * Makes a folder and its parents where they are missing. Node's own `recursive` never ends where a folder cannot be made,
 * as in /proc. What is there already may be gone again when this returns. Throws what mkdir(2) says.
 */
export function makeFolder(folder: string, mode = 0o755): void {
  if (existsSync(folder)) return
  if (dirname(folder) !== folder) makeFolder(dirname(folder), mode)
  try {
    mkdirSync(folder, { mode })
  } catch (error) {
    const isThere = error instanceof Error && 'code' in error && error.code === 'EEXIST'
    const isBrokenLink = lstatSync(folder, { throwIfNoEntry: false })?.isSymbolicLink() === true
    if (!isThere || isBrokenLink) throw error // else somebody else made it meanwhile
  }
}
