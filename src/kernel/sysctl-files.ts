import { CnilabError } from '../errors.ts'
import { readText, UnreadableError } from './read-file.ts'

/** The file of a sysctl: dots separate the parts of its name; those of an interface's own name are written as slashes. */
export function sysctlFile(key: string): string {
  return `/proc/sys/${key.replaceAll(/[./]/g, (c) => (c === '.' ? '/' : '.'))}`
}

/**
 * Reads the sysctls of the namespace in which this thread is. One that does not exist is left out. Throws CnilabError `state`
 * if one is unreadable: if it were taken for missing, undo would not restore it.
 */
export function readSysctlFiles(keys: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    keys.flatMap((key) => {
      try {
        return [[key, readText(sysctlFile(key)).trim().replaceAll(/\s+/g, ' ')]]
      } catch (error) {
        if (!(error instanceof UnreadableError) || error.code === 'ENOENT') return []
        throw new CnilabError('state', `could not read ${key}: ${error.message}`, { cause: error })
      }
    }),
  )
}
