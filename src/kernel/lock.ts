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
import { systemCalls } from './netlink/system-calls.ts'
import { readText } from './read-file.ts'
import { inheritDescriptor } from './spawn.ts'

// All locks are flock(2)'s: they belong to the open file, and so end with this process, however that ends.

/** Takes an exclusive lock on a directory of the machine, which is created if necessary. Returns a function that releases it. */
export async function lockFolder(folder: string): Promise<() => void> {
  const { fd } = await take(folder, () => openFolder(folder))
  return () => closeSync(fd)
}

/** Like `lockFolder`, for a directory that must exist. Throws CnilabError `state` if it does not. */
export async function lockExistingFolder(folder: string): Promise<() => void> {
  const { fd } = await take(folder, () => {
    try {
      return openedAt(openSync(folder, FOLDER), folder)
    } catch {
      throw new CnilabError('state', `the folder ${folder} no longer exists`, { fix: 'run the command again' })
    }
  })
  return () => closeSync(fd)
}

/** Like `lockFolder`, for cnilab's own directory on a host. A sandbox's disappears with the sandbox, and must not be created again. */
export async function lockOwnFolder(host: Host): Promise<() => void> {
  if (host.kind === 'machine') return lockFolder(host.folder)
  const open = () => {
    const fd = openOwn(host, host.folder, constants.O_RDONLY | constants.O_DIRECTORY)
    if (fd === undefined) throw notOpened(host, host.folder, 'it no longer exists')
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
 * Takes the lock of a file, which is created with its directory if missing. Returns a function that releases it. Throws
 * CnilabError `state` for a link, a pipe or anything else in its place.
 */
export async function lockFile(path: string): Promise<() => void> {
  const { fd } = await take(path, () => {
    makeFolder(dirname(path))
    const opened = openOwn(MACHINE, path, constants.O_RDONLY | constants.O_CREAT)
    if (opened === undefined) throw new CnilabError('state', `the folder of ${path} was removed in the meantime`)
    return openedAt(opened, path)
  })
  return () => closeSync(fd)
}

/**
 * Takes the lock of the host that this process is on: that of the journal's directory, which the other commands take, too.
 * Programs started meanwhile share it: one that outlives this process still holds it. If that directory cannot be created,
 * in a rootless container engine, say, it locks the network namespace's file instead. Returns a function that releases it.
 */
export async function lockHost(): Promise<() => void> {
  const { fd, path } = await take(HOST_FOLDER, openHost)
  inheritDescriptor(fd)
  return () => {
    inheritDescriptor(undefined)
    removeIfEmpty(path)
    closeSync(fd)
  }
}

/** Called once for each lock that others hold for longer than a moment, with a message that says which, and who holds it. */
let tellWaiting: (words: string) => void = () => undefined

/** Sets the function that is called, with a message, when we have to wait for a lock. */
export function onWaiting(tell: (words: string) => void): void {
  tellWaiting = tell
}

/** An open file or directory to lock. */
interface Opened {
  fd: number
  path: string
  /** Whether its path still leads to it: whoever holds its lock removes an empty directory. */
  isStillThere: () => boolean
}

function openedAt(fd: number, path: string): Opened {
  return {
    fd,
    path,
    isStillThere: () => fstatSync(fd).ino === statSync(path, { throwIfNoEntry: false })?.ino,
  }
}

/** Opening a pipe in place of a directory would block for ever. */
const FOLDER = constants.O_RDONLY | constants.O_DIRECTORY

/** Opens a directory, and creates it first if it is missing. */
function openFolder(path: string): Opened {
  for (;;) {
    makeFolder(path, 0o700)
    try {
      return openedAt(openSync(path, FOLDER), path)
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error // its last holder has just removed it
    }
  }
}

function openHost(): Opened {
  try {
    return openFolder(HOST_FOLDER)
  } catch (error) {
    // A lock that nobody else takes would be as good as none, so only where others cannot create the directory, either.
    if (!['EACCES', 'EROFS'].includes(codeOf(error) ?? '')) throw error
    const path = '/proc/self/ns/net'
    return openedAt(openSync(path, 'r'), path)
  }
}

/** Removes a directory if it is empty, as the machine's is once its journal is closed. */
export function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder)
  } catch {
    // the journal is in it, or it is a sandbox's, or not a directory
  }
}

/** How long to wait for a lock, in seconds: before reporting it, and then before giving up. */
const MOMENT = 1
const TIME_LIMIT = 60

/** The exit status of flock(1) if it did not get the lock in time. */
const HELD = 75

/**
 * Locks what `open` opens, and opens it again if its last holder has removed it. Throws CnilabError `state` if somebody
 * holds the lock for longer than a minute.
 */
async function take(what: string, open: () => Opened): Promise<Opened> {
  let isReported = false
  for (;;) {
    const opened = open()
    try {
      if (!(await flock(opened, MOMENT))) {
        if (!isReported) tellWaiting(`waiting for ${what}: ${holderOf(opened.fd)} is using it`)
        isReported = true
        if (!(await flock(opened, TIME_LIMIT)))
          throw new CnilabError('state', `${holderOf(opened.fd)} has been using ${what} for more than a minute`, {
            fix: `wait until it has ended, or end it; lslocks shows who holds the lock`,
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

/** The operations of flock(2): exclusive, without waiting; and its error if somebody else has the lock. */
const [LOCK_EX, LOCK_NB, EAGAIN] = [2, 4, 11]

/** How long to wait between two attempts, in milliseconds. */
const PAUSE = 2

/** Takes the lock of an open file within so many seconds; false if somebody else holds it. */
async function flock(opened: Opened, seconds: number): Promise<boolean> {
  const calls = await systemCalls()
  if (!calls) return flockByProgram(opened, seconds)
  const last = performance.now() + 1000 * seconds
  for (;;) {
    const result = calls.flock(opened.fd, LOCK_EX | LOCK_NB)
    if (result === 0) return true
    if (result !== -EAGAIN) throw notLocked(opened.path, calls.strerror(-result))
    if (performance.now() > last) return false
    await new Promise((resolve) => setTimeout(resolve, PAUSE))
  }
}

/** Where the C library cannot be called, util-linux's flock takes the lock on a descriptor that it shares with us (execa cannot pass one). */
async function flockByProgram({ fd, path }: Opened, seconds: number): Promise<boolean> {
  const options = ['-x', '-w', String(seconds), '-E', String(HELD), '0']
  const program = spawn('flock', options, { stdio: [fd, 'ignore', 'ignore'], env: { PATH: searchPath() } })
  const ended: unknown = await once(program, 'exit').then(
    ([status]) => status,
    (error: unknown) => error,
  )
  if (ended === 0) return true
  if (ended === HELD) return false
  const why = ended instanceof Error ? ended.message : `flock ended with ${String(ended)}`
  throw notLocked(path, why, codeOf(ended) === 'ENOENT' ? 'cnilab doctor --fix' : undefined)
}

function notLocked(path: string, why: string, fix = remedyForLimit(why) ?? 'cnilab doctor'): CnilabError {
  return new CnilabError('machine', `could not lock ${path}: ${why}`, { fix })
}

/** Who holds the lock of an open file, in words: `process 123` if proc(5) says so. */
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
