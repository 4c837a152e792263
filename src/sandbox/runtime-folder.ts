import { lstatSync, type Stats, statSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { CnilabError } from '../errors.ts'
import { makeFolder } from '../kernel/make-folder.ts'
import { startTime } from '../kernel/processes.ts'
import { userId } from '../kernel/user.ts'
import { systemError } from '../system-error.ts'

/**
 * The folder of this user's sandboxes, which need not exist: below XDG_RUNTIME_DIR if that is the user's own, else in
 * /tmp, where somebody else's folder of the same name is refused.
 */
export function runtimeFolder(): string {
  const given = process.env['XDG_RUNTIME_DIR']
  if (given !== undefined && isAbsolute(given) && isOwn(given)) return checked(join(given, 'cnilab'))
  return checked(`/tmp/cnilab-${userId()}`)
}

/** The same, made if need be. */
export function makeRuntimeFolder(): string {
  const folder = runtimeFolder()
  try {
    makeFolder(folder, 0o700)
  } catch (error) {
    throw refused(error)
  }
  return checked(folder)
}

/** The folder cannot be made, or not even looked for. */
function refused(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const { message } = systemError(error) ?? error
  return new CnilabError('machine', message, { fix: 'set XDG_RUNTIME_DIR to a folder of your own, with room in it' })
}

function isOwn(folder: string): boolean {
  try {
    const info = statSync(folder)
    return info.isDirectory() && info.uid === userId()
  } catch {
    return false // it is not there, or within what is closed to this user
  }
}

function look(folder: string): Stats | undefined {
  try {
    return lstatSync(folder, { throwIfNoEntry: false })
  } catch (error) {
    throw refused(error)
  }
}

function checked(folder: string): string {
  const info = look(folder)
  if (!info || (info.uid === userId() && (info.mode & 0o170077) === 0o040000)) return folder
  throw new CnilabError('machine', `${folder} is not a private folder of yours`, {
    fix: `remove it, or set XDG_RUNTIME_DIR to a folder of your own`,
  })
}

/** The name of a sandbox's folder says who made it, by pid and start time: so it is known when that one has died. */
export const MAKER = /~(\d+)-(\d+)-\w+$/

/** The path of a folder for a new sandbox; it and the runtime folder are still to be made. */
export function newSandboxFolder(name: string): string {
  const suffix = Math.random().toString(36).slice(2, 8)
  return join(runtimeFolder(), `${name}~${process.pid}-${startTime(process.pid)}-${suffix}`)
}
