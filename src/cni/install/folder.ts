import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { CnilabError } from '../../errors.ts'
import { lockExistingFolder } from '../../kernel/lock.ts'
import { requireTrust } from '../../kernel/trust.ts'
import { systemError } from '../../kernel/system-error.ts'
import { namesInFolder } from './ours.ts'

/** The prefix of temporary directories; no plugin has such a name. */
const UNFINISHED = '.cnilab-install-'

/**
 * Throws CnilabError `machine` for a directory in which others could swap files: the ones that runtimes start as root, or,
 * with a link, any file of this user.
 */
export function requireTrustOf(folder: string): void {
  requireTrust(folder, 'name a folder that only you and root can change, or run this as the user who owns it')
}

/** Runs `use` while nobody else installs into a directory. First removes what a killed installation left. */
export async function whileLocked<T>(folder: string, use: () => Promise<T> | T): Promise<T> {
  namesInFolder(folder) // throws if it cannot be read
  const unlock = await lockExistingFolder(folder)
  try {
    for (const name of namesInFolder(folder)) if (name.startsWith(UNFINISHED)) remove(join(folder, name))
    return await use()
  } finally {
    unlock()
  }
}

/** Runs `use` with a new directory inside `folder`, and so on the same file system, and removes it afterwards in any case. */
export async function withUnfinished<T>(folder: string, use: (unfinished: string) => Promise<T>): Promise<T> {
  const unfinished = mkdtempSync(join(folder, UNFINISHED))
  try {
    return await use(unfinished)
  } finally {
    remove(unfinished)
  }
}

/** Removes a directory. With retries, as a compiler whose parent was killed may still be writing there. */
function remove(path: string): void {
  rmSync(path, { recursive: true, force: true, maxRetries: 5 })
}

/** Turns a refusal of the file system into an error about a plugin directory; returns any other error as it is. */
export function explainError(folder: string, error: unknown): unknown {
  if (!(error instanceof Error) || !('code' in error) || !('syscall' in error)) return error
  const { code, message } = error
  if (code === 'EACCES' || code === 'EPERM')
    return new CnilabError('machine', `this user may not change ${folder} (${message})`, {
      fix: 'sudo cnilab cni install …, or use your own folder: --bin-dir DIR',
    })
  if (code === 'EROFS')
    return new CnilabError('machine', `${folder} is on a read-only file system`, {
      fix: 'name another folder, and let the runtime look there: --bin-dir DIR',
    })
  if (code === 'EEXIST' || code === 'ENOTDIR')
    return new CnilabError('usage', `${folder} is not a folder`, {
      fix: 'name the plugin folder: --bin-dir DIR',
    })
  return systemError(error) ?? new CnilabError('machine', `could not change ${folder}: ${message}`)
}
