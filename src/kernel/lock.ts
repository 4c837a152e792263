import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, fstatSync, openSync, rmdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { CnilabError } from '../errors.ts'
import { searchPath } from './environment.ts'
import { HOST_FOLDER, type Host, MACHINE } from './host.ts'
import { codeOf } from './code-of.ts'
import { notOpened, openOwn } from './host-root.ts'
import { remedyForLimit } from './limits.ts'
import { makeFolder } from './make-folder.ts'
import { readText } from './read-file.ts'
import { passOn } from './spawn.ts'

// All locks are flock(2)'s: they belong to the open file or folder, and so end with this process, however that ends.

/** Takes an exclusive lock on a folder of the machine, which is made if need be, and returns what gives it back. */
export async function lockFolder(folder: string): Promise<() => void> {
  const { fd } = await take(folder, () => openFolder(folder))
  return () => closeSync(fd)
}

/** The same for a folder that has to be there. Throws CnilabError `state` if it is not. */
export async function lockExistingFolder(folder: string): Promise<() => void> {
  const { fd } = await take(folder, () => {
    try {
      return openedAt(openSync(folder, FOLDER), folder)
    } catch {
      throw new CnilabError('state', `there is no folder ${folder} any more`, { fix: 'run the command again' })
    }
  })
  return () => closeSync(fd)
}

/** The same for cnilab's own folder on a host: that of a sandbox goes with it, and must not come back. */
export async function lockOwnFolder(host: Host): Promise<() => void> {
  if (host.kind === 'machine') return lockFolder(host.folder)
  const open = () => {
    const fd = openOwn(host, host.folder, constants.O_RDONLY | constants.O_DIRECTORY)
    if (fd === undefined) throw notOpened(host, host.folder, 'it is not there any more')
    return fd
  }
  const isStillThere = (locked: number) => {
    const fd = open()
    const isSame = fstatSync(fd).ino === fstatSync(locked).ino
    closeSync(fd)
    return isSame
  }
  const { fd } = await take(`the sandbox '${host.name}'`, () => {
    const opened = open()
    return { fd: opened, path: host.folder, isStillThere: () => isStillThere(opened) }
  })
  return () => closeSync(fd)
}

/**
 * Takes the lock of a file, which is made where it is missing, with its folder. Throws CnilabError `state` for a link, a
 * pipe or anything else in its place.
 */
export async function lockFile(path: string): Promise<() => void> {
  const { fd } = await take(path, () => {
    makeFolder(dirname(path))
    const opened = openOwn(MACHINE, path, constants.O_RDONLY | constants.O_CREAT)
    if (opened === undefined) throw new CnilabError('state', `the folder of ${path} was removed meanwhile`)
    return openedAt(opened, path)
  })
  return () => closeSync(fd)
}

/**
 * Takes the lock of the host that this process is on: that of its journal's folder, which others of ours take, too.
 * Programs that are started meanwhile share it: one that outlives this process still holds it. Where that folder cannot be
 * made, in a container engine without root, say, it is that of the network namespace's own file.
 */
export async function lockHost(): Promise<() => void> {
  const { fd, path } = await take(HOST_FOLDER, openHost)
  passOn(fd)
  return () => {
    passOn(undefined)
    removeIfEmpty(path)
    closeSync(fd)
  }
}

/** Is told once of each lock that others hold for longer than a moment: whose it is, and who holds it, in words. */
let tellWaiting: (words: string) => void = () => undefined

/** Sets who is told when a lock has to be waited for. */
export function onWaiting(tell: (words: string) => void): void {
  tellWaiting = tell
}

/** What is to be locked, opened. */
interface Opened {
  fd: number
  path: string
  /** Whether its path still leads to it: the holder of its lock removes an empty folder. */
  isStillThere: () => boolean
}

function openedAt(fd: number, path: string): Opened {
  return {
    fd,
    path,
    isStillThere: () => fstatSync(fd).ino === statSync(path, { throwIfNoEntry: false })?.ino,
  }
}

/** To open a pipe in the place of a folder would wait for ever. */
const FOLDER = constants.O_RDONLY | constants.O_DIRECTORY

/** Opens a folder, and makes it first where it is missing. */
function openFolder(path: string): Opened {
  for (;;) {
    makeFolder(path, 0o700)
    try {
      return openedAt(openSync(path, FOLDER), path)
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error // else its last holder has just removed it
    }
  }
}

function openHost(): Opened {
  try {
    return openFolder(HOST_FOLDER)
  } catch (error) {
    // With another lock than everybody else has, this process would be as good as without.
    if (!['EACCES', 'EROFS'].includes(codeOf(error) ?? '')) throw error
    const path = '/proc/self/ns/net'
    return openedAt(openSync(path, 'r'), path)
  }
}

/** The machine's folder holds nothing once its journal is closed. */
export function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder)
  } catch {
    // the journal is in it, or it is a sandbox's, or no folder
  }
}

/** How long a lock is waited for, in seconds: until that is told, and then until it is given up. */
const MOMENT = 1
const LONGEST = 60

/** What flock(1) exits with when the lock was not to be had in time. */
const HELD = 75

/**
 * Locks what `open` opens, and opens it again as long as its last holder has removed it. Throws CnilabError `state` if
 * somebody holds it for longer than a minute.
 */
async function take(what: string, open: () => Opened): Promise<Opened> {
  let isTold = false
  for (;;) {
    const opened = open()
    try {
      if (!(await flock(opened, MOMENT))) {
        if (!isTold) tellWaiting(`waiting for ${what}: ${holderOf(opened.fd)} is at work there`)
        isTold = true
        if (!(await flock(opened, LONGEST)))
          throw new CnilabError('state', `${holderOf(opened.fd)} has been at work on ${what} for more than a minute`, {
            fix: `wait until it has ended, or end it; see who holds the lock with: lslocks`,
          })
      }
      if (opened.isStillThere()) return opened
      closeSync(opened.fd)
    } catch (error) {
      closeSync(opened.fd)
      throw error
    }
  }
}

/** Node has no flock, so util-linux's takes it on a descriptor that it shares with us (which execa's options do not offer). */
async function flock({ fd, path }: Opened, seconds: number): Promise<boolean> {
  const options = ['-x', '-w', String(seconds), '-E', String(HELD), '0']
  const program = spawn('flock', options, { stdio: [fd, 'ignore', 'ignore'], env: { PATH: searchPath() } })
  const ended: unknown = await once(program, 'exit').then(
    ([status]) => status,
    (error: unknown) => error,
  )
  if (ended === 0) return true
  if (ended === HELD) return false
  const why = ended instanceof Error ? ended.message : `flock ended with ${String(ended)}`
  throw new CnilabError('machine', `could not lock ${path}: ${why}`, {
    fix: codeOf(ended) === 'ENOENT' ? 'cnilab doctor --fix' : (remedyForLimit(why) ?? 'cnilab doctor'),
  })
}

/** Who holds the lock of an open file, as far as proc(5) tells: `process 123`. */
function holderOf(fd: number): string {
  try {
    const { ino } = fstatSync(fd)
    const line = readText('/proc/locks')
      .split('\n')
      .find((one) => /: FLOCK /.test(one) && one.includes(`:${ino} `))
    const pid = line?.trim().split(/\s+/)[4]
    return pid === undefined || Number(pid) <= 0 ? 'another program' : `process ${pid}`
  } catch {
    return 'another program'
  }
}
