import type { Dirent } from 'node:fs'
import { CnilabError } from '../../errors.ts'
import { readFolder, readText, UnreadableError } from '../../kernel/read-file.ts'

/** Network configurations, and the settings of runtimes, have a few KiB. */
const LARGEST = 256 * 1024

/** So many files of one folder are read. */
export const MOST_FILES = 100

/** The text of a configuration's file. Throws UnreadableError, also for a large file and for anything but a file. */
export function readConfigFile(file: string): string {
  return readText(file, LARGEST)
}

/**
 * The names of the files in a folder of configurations that are wanted, in the order of their bytes, as Go sorts them; none
 * without the folder. Throws CnilabError `usage` for what is no folder or has more files than anybody has, and `machine`
 * where this user may not look into it.
 */
export function configNamesIn(folder: string, isWanted: (entry: Dirent) => boolean): string[] {
  const names = entriesOf(folder)
    .filter(isWanted)
    .map(({ name }) => name)
  if (names.length > MOST_FILES)
    throw new CnilabError(
      'usage',
      `${folder} has ${names.length} configurations, and no more than ${MOST_FILES} are read`,
      { fix: 'name the folder of a runtime, such as /etc/cni/net.d' },
    )
  return names.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
}

function entriesOf(folder: string): Dirent[] {
  try {
    return readFolder(folder)
  } catch (error) {
    if (!(error instanceof UnreadableError)) throw error
    if (error.code === 'ENOENT') return []
    const isClosed = error.code === 'EACCES' || error.code === 'EPERM'
    throw new CnilabError(isClosed ? 'machine' : 'usage', `${folder} cannot be read: ${error.message}`, {
      fix: isClosed ? 'run the command with sudo, or name another folder' : 'name the folder of network configurations',
    })
  }
}
