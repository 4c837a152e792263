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
  if (!isAbsolute(env['HOME'] ?? '')) env['HOME'] = knownHome() ?? '/'
  if (!isShell(env['SHELL'])) env['SHELL'] = '/bin/sh'
  // A umask that takes rights from the owner would close to us what we make; what it takes from others stays taken.
  process.umask(process.umask(0o077) & 0o077)
  try {
    process.cwd()
  } catch {
    process.chdir('/') // the folder was deleted: nothing could be found from there anyway
  }
}

/** The home that passwd(5) has for this user; undefined if there is none of that uid. */
function knownHome(): string | undefined {
  try {
    return userInfo().homedir
  } catch {
    return undefined
  }
}

/** Whether it is a program that takes commands: those of accounts for services refuse to. */
function isShell(file: string | undefined): boolean {
  try {
    if (file === undefined || !isAbsolute(file) || /\/(?:nologin|false)$/.test(file)) return false
    if (!statSync(file).isFile()) return false
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
