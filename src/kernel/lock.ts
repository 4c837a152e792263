import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, fstatSync, openSync, rmdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { CnilabError } from '../errors.ts'
import { HOST_FOLDER } from './host.ts'
import { makeFolder } from './make-folder.ts'
import { systemError } from '../system-error.ts'
import { lend, missing, searchPath } from './spawn.ts'

/**
 * Takes an exclusive lock on a folder, which it may `make`, waiting for it, and returns what gives it back. The lock is
 * flock(2)'s: it belongs to the open folder and so ends with this process, however that ends.
 */
export async function lock(folder: string, make = true): Promise<() => void> {
  const { fd } = await take(() => (make ? openFolder(folder) : openThere(folder)))
  return () => closeSync(fd)
}

function openThere(folder: string): Opened {
  try {
    return { fd: openSync(folder, 'r'), path: folder }
  } catch {
    throw new CnilabError('state', 'the sandbox has ended meanwhile', { fix: 'run the command again' })
  }
}

/** Opens a folder, and makes it first where it is missing. */
function openFolder(path: string): Opened {
  for (;;) {
    makeFolder(path, 0o700)
    try {
      return { fd: openSync(path, constants.O_RDONLY | constants.O_DIRECTORY), path }
    } catch (error) {
      // Whoever had it may have removed it just now.
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
    }
  }
}

/** Takes the lock of a file, which is made where it is missing, with its folder; waits for it. */
export async function lockFile(path: string): Promise<() => void> {
  const { fd } = await take(() => {
    makeFolder(dirname(path))
    return { fd: openFile(path), path }
  })
  return () => closeSync(fd)
}

/** Opens a file, and makes it where it is missing; whatever else is in its place is refused, and does not make us wait. */
function openFile(path: string): number {
  const fd = openSync(path, constants.O_RDONLY | constants.O_CREAT | constants.O_NONBLOCK, 0o600)
  if (fstatSync(fd).isFile()) return fd
  closeSync(fd)
  throw new CnilabError('state', `${path} is no file, and cannot be locked`, { fix: 'see what it is, and remove it' })
}

/**
 * Takes the lock of the host that this process is on: that of its journal's folder, which others of ours take, too.
 * Programs that are started meanwhile share it: one that outlives this process still holds it. Where that folder cannot be
 * made, in a container engine without root, say, it is that of the network namespace's own file.
 */
export async function lockHost(): Promise<() => void> {
  const { fd, path } = await take(openHost)
  lend(fd)
  return () => {
    lend(undefined)
    removeIfEmpty(path)
    closeSync(fd)
  }
}

/** What is to be locked, opened. */
interface Opened {
  fd: number
  path: string
}

function openHost(): Opened {
  try {
    return openFolder(HOST_FOLDER)
  } catch {
    const path = '/proc/self/ns/net'
    return { fd: openSync(path, 'r'), path }
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

/**
 * Locks what `open` opens, and opens it anew while that was removed by whoever held it, as one does with an empty folder.
 * Node has no flock, so util-linux's takes it on a descriptor that it shares with us (which execa's options do not offer).
 */
async function take(open: () => Opened): Promise<Opened> {
  for (;;) {
    const { fd, path } = open()
    const flock = spawn('flock', ['-x', '0'], { stdio: [fd, 'ignore', 'ignore'], env: { PATH: searchPath() } })
    const code: unknown = await once(flock, 'exit').then(
      ([status]) => status,
      (error: unknown) => {
        closeSync(fd)
        throw systemError(error) ?? missing('flock')
      },
    )
    if (code === 0 && fstatSync(fd).ino === statSync(path, { throwIfNoEntry: false })?.ino) return { fd, path }
    closeSync(fd)
    if (code !== 0) throw new CnilabError('machine', `could not lock ${path}`)
  }
}
