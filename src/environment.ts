import { accessSync, constants, statSync } from 'node:fs'
import { userInfo } from 'node:os'
import { isAbsolute } from 'node:path'

/**
 * Supplies what Node and libraries take for granted, but a container, a service or a restricted account may lack: a home, a
 * shell, a working directory, and a umask that lets owners use their files.
 */
export function completeEnvironment(): void {
  const { env } = process
  // A uid without a passwd(5) entry, as in a container with --user, has neither.
  if (!isAbsolute(env['HOME'] ?? '')) env['HOME'] = knownHome() ?? '/'
  if (!isShell(env['SHELL'])) env['SHELL'] = '/bin/sh'
  // The umask must not take rights away from the owner, which is us; what it takes away from others stays.
  process.umask(process.umask(0o077) & 0o077)
  try {
    process.cwd()
  } catch {
    process.chdir('/') // the directory was deleted
  }
}

/** This user's home in passwd(5); undefined if there is no such uid. */
function knownHome(): string | undefined {
  try {
    return userInfo().homedir
  } catch {
    return undefined
  }
}

/** Whether it is a real shell, unlike those of service accounts. */
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
