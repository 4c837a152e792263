import { existsSync, lstatSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'

/**
 * Creates a directory and its parents if they are missing. Node's own `recursive` loops for ever where it cannot create
 * one, as in /proc. An existing directory may be gone again when this returns. Throws the error of mkdir(2).
 */
export function makeFolder(folder: string, mode = 0o755): void {
  if (existsSync(folder)) return
  if (dirname(folder) !== folder) makeFolder(dirname(folder), mode)
  try {
    mkdirSync(folder, { mode })
  } catch (error) {
    const isThere = error instanceof Error && 'code' in error && error.code === 'EEXIST'
    const isBrokenLink = lstatSync(folder, { throwIfNoEntry: false })?.isSymbolicLink() === true
    if (!isThere || isBrokenLink) throw error // somebody else has created it meanwhile
  }
}
