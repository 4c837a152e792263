import { lstatSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { CnilabError } from '../errors.ts'
import { makeFolder } from '../kernel/make-folder.ts'
import { userId } from '../kernel/user.ts'

/**
 * The folder of this user's sandboxes, which need not exist: below XDG_RUNTIME_DIR if that is the user's own, else in
 * /tmp, where somebody else's folder of the same name is refused.
 */
export function runtimeFolder(): string {
  const given = process.env['XDG_RUNTIME_DIR']
  if (given !== undefined && given !== '' && isOwn(given)) return checked(join(given, 'cnilab'))
  return checked(`/tmp/cnilab-${userId()}`)
}

/** The same, made if need be. */
export function makeRuntimeFolder(): string {
  const folder = runtimeFolder()
  makeFolder(folder, 0o700)
  return checked(folder)
}

function isOwn(folder: string): boolean {
  try {
    return statSync(folder).uid === userId()
  } catch {
    return false // it is not there, or within what is closed to this user
  }
}

function checked(folder: string): string {
  const info = lstatSync(folder, { throwIfNoEntry: false })
  if (!info || (info.uid === userId() && (info.mode & 0o170077) === 0o040000)) return folder
  throw new CnilabError('machine', `${folder} is not a private folder of yours`, {
    fix: `remove it, or set XDG_RUNTIME_DIR to a folder of your own`,
  })
}
