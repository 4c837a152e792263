import { CnilabError } from '../errors.ts'
import { readText } from '../kernel/read-file.ts'

/** Network configurations, and the settings of runtimes, have a few KiB. */
const LARGEST = 256 * 1024

/** So many files of one folder are read. */
export const MOST_FILES = 100

/** The text of a configuration's file. Throws UnreadableError: a large file, or what is no file, is none. */
export function readConfigFile(file: string): string {
  return readText(file, LARGEST)
}

/** Refuses a folder with more files than anybody has: CnilabError `usage`. */
export function refuseMany(folder: string, files: readonly string[]): void {
  if (files.length > MOST_FILES)
    throw new CnilabError(
      'usage',
      `${folder} has ${files.length} configurations, and no more than ${MOST_FILES} are read`,
      { fix: 'name the folder of a runtime, such as /etc/cni/net.d' },
    )
}
