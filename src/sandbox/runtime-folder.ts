import { lstatSync, type Stats, statSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { CnilabError } from '../errors.ts'
import { makeFolder } from '../kernel/make-folder.ts'
import { isOfDead, ownMark } from '../kernel/process-mark.ts'
import { distrust, requireTrust } from '../kernel/trust.ts'
import { userId } from '../kernel/user.ts'
import { systemError } from '../kernel/system-error.ts'

/**
 * The directory of this user's sandboxes, which may not exist: below XDG_RUNTIME_DIR if that is the user's own and nobody else
 * can change it, else in /tmp, where somebody else's directory of that name is refused.
 */
export function runtimeFolder(): string {
  const given = process.env['XDG_RUNTIME_DIR'] ?? ''
  if (isAbsolute(given) && isOwn(given)) return checked(join(given, 'cnilab'))
  return checked(`/tmp/cnilab-${userId()}`)
}

/** Like `runtimeFolder`, but creates it if necessary. */
export function makeRuntimeFolder(): string {
  const folder = runtimeFolder()
  try {
    makeFolder(folder, 0o700)
  } catch (error) {
    throw refused(error)
  }
  return checked(folder)
}

/** The error for a directory that cannot be created, or not even looked for. */
function refused(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const { message } = systemError(error) ?? error
  return new CnilabError('machine', message, { fix: 'set XDG_RUNTIME_DIR to a folder of your own, with room in it' })
}

function isOwn(folder: string): boolean {
  try {
    const info = statSync(folder)
    return info.isDirectory() && info.uid === userId() && distrust(folder) === undefined
  } catch {
    return false // it does not exist, or this user cannot reach it
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
  const fix = 'remove it, or set XDG_RUNTIME_DIR to a folder of your own'
  if (info && (info.uid !== userId() || (info.mode & 0o170077) !== 0o040000))
    throw new CnilabError('machine', `${folder} is not a private folder of yours`, { fix })
  requireTrust(folder, 'set XDG_RUNTIME_DIR to a folder of your own')
  return folder
}

/** The path of a new sandbox's directory, named after the process that makes it. Creates neither it nor the runtime directory. */
export function newSandboxFolder(name: string): string {
  const suffix = Math.random().toString(36).slice(2, 8)
  return join(runtimeFolder(), `${name}~${ownMark()}-${suffix}`)
}

/** Whether the process that made the directory of this name has ended. */
export function isOfDeadMaker(folder: string): boolean {
  return isOfDead(/~([\d-]+)-\w+$/.exec(folder)?.[1] ?? '')
}
