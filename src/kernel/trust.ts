import { lstatSync, readlinkSync, type Stats } from 'node:fs'
import { dirname, join } from 'node:path'
import { CnilabError } from '../errors.ts'
import { readText } from './read-file.ts'
import { knowsEveryUser, NOBODY, userId } from './user.ts'

/** How many links the kernel follows (path_resolution(7)). */
const MAX_LINKS = 40

/**
 * Why a path cannot be trusted, in words: somebody other than this user and root may have created what is there, or may
 * change it. Every link and directory on the way must belong to one of the two, and nobody else may write there. On the way,
 * but not at its end, others may write to a sticky directory such as /tmp, as they cannot rename or remove what is not
 * theirs. Undefined if it can be trusted, as far as it exists: the caller must ask again after creating it.
 */
export function distrust(path: string): string | undefined {
  const names = parts(path.startsWith('/') ? path : `${process.cwd()}/${path}`)
  let [at, links] = ['/', 0]
  for (let name = names.shift(); name !== undefined; name = names.shift()) {
    if (name === '..') {
      at = dirname(at)
      continue
    }
    const here = join(at, name)
    let info: Stats | undefined
    try {
      info = lstatSync(here, { throwIfNoEntry: false })
    } catch {
      return `${at} is closed to this user`
    }
    if (!info) return undefined
    const isLast = names.length === 0
    const why = objection(here, info, isLast)
    if (why !== undefined) return why
    if (!info.isSymbolicLink()) {
      at = here
      continue
    }
    if (++links > MAX_LINKS) return undefined // the kernel follows no more, either
    const target = readlinkSync(here)
    names.unshift(...parts(target))
    if (target.startsWith('/')) at = '/'
  }
  return undefined
}

/** Throws CnilabError `machine` if a path cannot be trusted; `fix` says what to do. */
export function requireTrust(path: string, fix: string): void {
  const why = distrust(path)
  if (why !== undefined) throw new CnilabError('machine', `${path} cannot be trusted: ${why}`, { fix })
}

function parts(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.')
}

function objection(path: string, info: Stats, isLast: boolean): string | undefined {
  const { uid, gid, mode } = info
  if (uid !== userId() && uid !== 0 && !isPerhapsRoot(uid, isLast)) return `${path} belongs to ${userName(uid)}`
  if (info.isSymbolicLink()) return undefined // its mode means nothing
  const isSticky = info.isDirectory() && (mode & 0o1000) !== 0
  if (isSticky && !isLast) return undefined
  if ((mode & 0o002) !== 0) return `everybody may write to ${path}`
  if ((mode & 0o020) !== 0 && !isAlone(gid)) return `${groupName(gid)} may write to ${path}`
  return undefined
}

/**
 * In a user namespace, all files of users that it does not know, such as the machine's root, belong to one uid. On the way
 * they pass for root's, but at the end of the path they do not.
 */
function isPerhapsRoot(uid: number, isLast: boolean): boolean {
  return uid === NOBODY && !isLast && !knowsEveryUser()
}

/** Whether only this user and root are in a group: many systems give each user a group with write permission (umask 002). */
function isAlone(gid: number): boolean {
  const everyone = lines('/etc/passwd')
  const members = (lines('/etc/group').find(([, , id]) => id === String(gid))?.[3] ?? '').split(',').filter(Boolean)
  const inside = everyone.filter(([name = '', , , group]) => group === String(gid) || members.includes(name))
  const isKnown = (name: string) => inside.some(([known]) => known === name)
  return (
    everyone.some(([, , uid]) => uid === String(userId())) && // otherwise the machine's users are defined elsewhere
    inside.length > 0 &&
    inside.every(([, , uid]) => uid === String(userId()) || uid === '0') &&
    members.every(isKnown)
  )
}

/** The fields of each line of passwd(5) or group(5); empty if there is no such file. */
function lines(file: string): string[][] {
  try {
    return readText(file)
      .split('\n')
      .map((line) => line.split(':'))
  } catch {
    return []
  }
}

function userName(uid: number): string {
  const name = lines('/etc/passwd').find((fields) => fields[2] === String(uid))?.[0]
  return name === undefined ? `user ${uid}` : `user ${uid} (${name})`
}

function groupName(gid: number): string {
  const name = lines('/etc/group').find((fields) => fields[2] === String(gid))?.[0]
  return name === undefined ? `group ${gid}` : `group ${gid} (${name})`
}
