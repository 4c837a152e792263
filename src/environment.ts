import { accessSync, constants, statSync } from 'node:fs'
import { userInfo } from 'node:os'
import { isAbsolute } from 'node:path'

/**
 * Puts right what Node and the libraries take for granted of a process, and what a container, a service or a restricted
 * account may lack: a home, a shell, a current folder, and files that their owner may use.
 */
export function completeEnvironment(): void {
  const { env } = process
  // A uid that no passwd(5) entry has, as in a container with --user, is enough to lack both.
  if (!isAbsolute(env['HOME'] ?? '')) env['HOME'] = known()?.homedir ?? '/'
  if (!isProgram(env['SHELL'])) env['SHELL'] = known()?.shell ?? ''
  if (!isProgram(env['SHELL'])) env['SHELL'] = '/bin/sh'
  // A umask that takes rights from the owner would close to us what we make; what it takes from others stays taken.
  process.umask(process.umask(0o077) & 0o077)
  try {
    process.cwd()
  } catch {
    process.chdir('/') // the folder was deleted: nothing could be found from there anyway
  }
}

/** What the system knows of this user; undefined if it knows none of that uid. */
function known(): { homedir: string; shell: string | null } | undefined {
  try {
    return userInfo()
  } catch {
    return undefined
  }
}

function isProgram(file: string | undefined): boolean {
  try {
    if (file === undefined || !isAbsolute(file) || !statSync(file).isFile()) return false
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
