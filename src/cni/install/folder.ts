import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { CnilabError } from '../../errors.ts'
import { lockExistingFolder } from '../../kernel/lock.ts'
import { requireTrust } from '../../kernel/trust.ts'
import { systemError } from '../../kernel/system-error.ts'
import { namesIn } from './ours.ts'

/** How the names of folders begin in which something is made; no plugin has such a name. */
const UNFINISHED = '.cnilab-install-'

/**
 * Throws CnilabError `machine` for a folder in which others could exchange what is made or removed there: what runtimes
 * start as root, or, by a link, any file of this user's.
 */
export function requireTrustOf(folder: string): void {
  requireTrust(folder, 'name a folder that only you and root can change, or run it as the user whom it belongs to')
}

/** Runs `use` while nobody else installs into a folder, and removes before what an installation left that was killed. */
export async function exclusively<T>(folder: string, use: () => Promise<T> | T): Promise<T> {
  namesIn(folder) // throws where it may not be read
  const unlock = await lockExistingFolder(folder)
  try {
    for (const name of namesIn(folder)) if (name.startsWith(UNFINISHED)) remove(join(folder, name))
    return await use()
  } finally {
    unlock()
  }
}

/** Runs `use` with a new folder in `folder`, so on the same file system, and removes it whatever happens. */
export async function withUnfinished<T>(folder: string, use: (unfinished: string) => Promise<T>): Promise<T> {
  const unfinished = mkdtempSync(join(folder, UNFINISHED))
  try {
    return await use(unfinished)
  } finally {
    remove(unfinished)
  }
}

/** A compiler whose parent was killed may still be writing there. */
function remove(path: string): void {
  rmSync(path, { recursive: true, force: true, maxRetries: 5 })
}

/** What a refusal of the file system means for a folder of plugins; any other error as it is. */
export function explained(folder: string, error: unknown): unknown {
  if (!(error instanceof Error) || !('code' in error) || !('syscall' in error)) return error
  const { code, message } = error
  if (code === 'EACCES' || code === 'EPERM')
    return new CnilabError('machine', `this user may not change ${folder} (${message})`, {
      fix: 'sudo cnilab cni install …, or name a folder of your own: --bin-dir DIR',
    })
  if (code === 'EROFS')
    return new CnilabError('machine', `${folder} is on a file system that is read-only`, {
      fix: 'name another folder, and let the runtime look there: --bin-dir DIR',
    })
  if (code === 'EEXIST' || code === 'ENOTDIR')
    return new CnilabError('usage', `${folder} is not a folder`, {
      fix: 'name the folder of the plugins: --bin-dir DIR',
    })
  return systemError(error) ?? new CnilabError('machine', `could not change ${folder}: ${message}`)
}
