import { closeSync, existsSync, lstatSync, openSync, readdirSync, readSync } from 'node:fs'
import { join } from 'node:path'

/**
 * A text that only the executables that we make contain. So the file itself shows that it is ours, without any other record,
 * and without running a foreign file.
 */
export const MARK = 'cnilab-cni-plugins: made by cnilab cni install, removed by --uninstall'

/** What some names in a directory are. */
export interface FoundFiles {
  /** Names of executables that we made. */
  ours: string[]
  /** Names of everything else: files of others, links, directories. */
  foreign: string[]
  /** The foreign names that are directories, which a file cannot replace. */
  folders: string[]
}

/** Looks up names in a directory; leaves out missing ones. Runs nothing. Throws the error of the file system. */
export function findFiles(folder: string, names: readonly string[]): FoundFiles {
  const found: FoundFiles = { ours: [], foreign: [], folders: [] }
  const seen = new Map<number, boolean>() // several names are mostly one file, of 100 MB
  for (const name of names) {
    const path = join(folder, name)
    const stat = lstatSync(path, { throwIfNoEntry: false })
    if (!stat) continue
    const canBe = stat.isFile() && stat.size <= MAX_SIZE
    const isOurs = canBe && (seen.get(stat.ino) ?? holdsMark(path))
    seen.set(stat.ino, isOurs)
    found[isOurs ? 'ours' : 'foreign'].push(name)
    if (stat.isDirectory()) found.folders.push(name)
  }
  return found
}

/** The largest file that may be ours, in bytes: it has 100 MB. */
const MAX_SIZE = 1024 ** 3

/** Whether a file contains the mark. Reads it piece by piece, as it may be of any size. */
function holdsMark(path: string): boolean {
  const piece = Buffer.alloc(4 * 1024 * 1024)
  const fd = openSync(path, 'r')
  try {
    // The end may contain the beginning of the mark, so keep it in front of the next piece.
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

/** All names in a directory, sorted; none if there is no directory. */
export function namesInFolder(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder).toSorted() : []
}
