import { existsSync, lstatSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Stands in every executable that we make, and in no other. So the file itself tells that it is ours, whatever became of
 * other files, and nothing foreign has to be run to find out.
 */
export const MARK = 'cnilab-cni-plugins: made by cnilab cni install, taken back by --uninstall'

/** What a folder has under some names. */
export interface Found {
  /** Names of executables that we made. */
  ours: string[]
  /** Names of all else: files of others, links, folders. */
  foreign: string[]
  /** Those of the foreign names that are folders, which no file can replace. */
  folders: string[]
}

/** Looks up names in a folder; what is not there is left out. Runs nothing. Throws what the file system says. */
export function look(folder: string, names: readonly string[]): Found {
  const found: Found = { ours: [], foreign: [], folders: [] }
  const seen = new Map<number, boolean>() // several names are mostly one file, of 100 MB
  for (const name of names) {
    const path = join(folder, name)
    const stat = lstatSync(path, { throwIfNoEntry: false })
    if (!stat) continue
    const isOurs = stat.isFile() && (seen.get(stat.ino) ?? readFileSync(path).includes(MARK))
    seen.set(stat.ino, isOurs)
    found[isOurs ? 'ours' : 'foreign'].push(name)
    if (stat.isDirectory()) found.folders.push(name)
  }
  return found
}

/** All names in a folder; none if there is no folder. */
export function namesIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder).toSorted() : []
}
