import { closeSync, existsSync, lstatSync, openSync, readdirSync, readSync } from 'node:fs'
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
    const canBe = stat.isFile() && stat.size <= LARGEST
    const isOurs = canBe && (seen.get(stat.ino) ?? holdsMark(path))
    seen.set(stat.ino, isOurs)
    found[isOurs ? 'ours' : 'foreign'].push(name)
    if (stat.isDirectory()) found.folders.push(name)
  }
  return found
}

/** What we make has 100 MB. */
const LARGEST = 1024 ** 3

/** Piece by piece: what has the name of a plugin may be of any size. */
function holdsMark(path: string): boolean {
  const piece = Buffer.alloc(4 * 1024 * 1024)
  const fd = openSync(path, 'r')
  try {
    // What may be the beginning of the mark is kept in front of the next piece.
    let kept = 0
    for (let read = readSync(fd, piece); read > 0; read = readSync(fd, piece, kept, piece.length - kept, null)) {
      const end = kept + read
      if (piece.subarray(0, end).includes(MARK)) return true
      kept = Math.min(MARK.length, end)
      piece.copyWithin(0, end - kept, end)
    }
    return false
  } finally {
    closeSync(fd)
  }
}

/** All names in a folder; none if there is no folder. */
export function namesIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder).toSorted() : []
}
