import { lstatSync, readlinkSync, type Stats } from 'node:fs'
import { dirname, join } from 'node:path'
import { CnilabError } from '../errors.ts'
import { readText } from './read-file.ts'
import { knowsEveryUser, NOBODY, userId } from './user.ts'

/** As many links as the kernel follows (path_resolution(7)). */
const MOST_LINKS = 40

/**
 * Why what is at a path cannot be trusted, in words: somebody other than this user and root may have put it
 * there, or may change it. Every link and folder on the way has to belong to one of the two, and nobody else may write
 * there; in a sticky folder such as /tmp others may, since there they can neither rename nor remove what is not theirs,
 * but never in the last one. Undefined if it can be trusted, or as far as it does not exist yet: the caller asks again once it has made it.
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
    if (++links > MOST_LINKS) return undefined // to the kernel it is not there
    const target = readlinkSync(here)
    names.unshift(...parts(target))
    if (target.startsWith('/')) at = '/'
  }
  return undefined
}

/** Throws CnilabError `machine` where what is at a path cannot be trusted; `fix` says what to do. */
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
 * In a user namespace the files of users whom it does not know, the machine's root among them, all belong to one number.
 * On the way they are taken for root's; what it is about has to belong to this user.
 */
function isPerhapsRoot(uid: number, isLast: boolean): boolean {
  return uid === NOBODY && !isLast && !knowsEveryUser()
}

/** Whether nobody but this user and root is in a group: many systems give each user a group, and let it write (umask 002). */
function isAlone(gid: number): boolean {
  const everyone = lines('/etc/passwd')
  const members = (lines('/etc/group').find(([, , id]) => id === String(gid))?.[3] ?? '').split(',').filter(Boolean)
  const inside = everyone.filter(([name = '', , , group]) => group === String(gid) || members.includes(name))
  const isKnown = (name: string) => inside.some(([known]) => known === name)
  return (
    everyone.some(([, , uid]) => uid === String(userId())) && // else the users of this machine are kept elsewhere
    inside.length > 0 &&
    inside.every(([, , uid]) => uid === String(userId()) || uid === '0') &&
    members.every(isKnown)
  )
}

/** The lines of passwd(5) or group(5); none where there is no such file. */
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
