import type { Dirent } from 'node:fs'
import { CnilabError } from '../../errors.ts'
import { readFolder, readText, UnreadableError } from '../../kernel/read-file.ts'

/** The largest file that we read, in bytes: network configurations, and the settings of runtimes, have a few KiB. */
const MAX_SIZE = 256 * 1024

/** How many files of one directory are read. */
export const MAX_FILES = 100

/** Reads a configuration file. Throws UnreadableError, also if it is too large or not a file. */
export function readConfigFile(file: string): string {
  return readText(file, MAX_SIZE)
}

/**
 * The names of the wanted files in a configuration directory, sorted by bytes, as Go does; empty if there is no directory.
 * Throws CnilabError `usage` if it is not a directory or has implausibly many files, and `machine` if this user may not
 * read it.
 */
export function configNamesIn(folder: string, isWanted: (entry: Dirent) => boolean): string[] {
  const names = entriesOf(folder)
    .filter(isWanted)
    .map(({ name }) => name)
  if (names.length > MAX_FILES)
    throw new CnilabError('usage', `${folder} has ${names.length} configurations, but at most ${MAX_FILES} are read`, {
      fix: 'name the folder of a runtime, such as /etc/cni/net.d',
    })
  return names.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
}

function entriesOf(folder: string): Dirent[] {
  try {
    return readFolder(folder)
  } catch (error) {
    if (!(error instanceof UnreadableError)) throw error
    if (error.code === 'ENOENT') return []
    const isClosed = error.code === 'EACCES' || error.code === 'EPERM'
    throw new CnilabError(isClosed ? 'machine' : 'usage', `cannot read ${folder}: ${error.message}`, {
      fix: isClosed ? 'run the command with sudo, or name another folder' : 'name the folder of network configurations',
    })
  }
}
