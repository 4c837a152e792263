import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, fstatSync, mkdirSync, openSync, rmdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { CnilabError } from '../errors.ts'
import { HOST_FOLDER } from './host.ts'
import { lend, searchPath } from './spawn.ts'

/**
 * Takes an exclusive lock on a folder, which it may `make`, waiting for it, and returns what gives it back. The lock is
 * flock(2)'s: it belongs to the open folder and so ends with this process, however that ends.
 */
export function lock(folder: string, make = true): Promise<() => void> {
  return take(folder, () => {
    for (;;) {
      if (make) mkdirSync(folder, { recursive: true, mode: 0o700 })
      try {
        return openSync(folder, 'r')
      } catch (error) {
        if (!make) throw new CnilabError('state', 'the sandbox has ended meanwhile', { fix: 'run the command again' })
        // Whoever had it may have removed it just now.
        if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
      }
    }
  })
}

/**
 * Takes the lock of a file, which is made where it is missing, with its folder. It waits without letting anything else
 * go on, which is how a plugin has it that has nothing else to do.
 */
export function lockFileNow(file: string): () => void {
  for (;;) {
    mkdirSync(dirname(file), { recursive: true, mode: 0o755 })
    const fd = openSync(file, constants.O_RDONLY | constants.O_CREAT, 0o600)
    const isLocked = flockNow(fd)
    if (isLocked && fstatSync(fd).ino === statSync(file, { throwIfNoEntry: false })?.ino) return () => closeSync(fd)
    closeSync(fd)
    if (!isLocked) throw noFlock(file)
  }
}

/**
 * Takes the lock of the host that this process is on, in the same way: that of its journal's folder, which others of ours
 * take, too. Programs that are started meanwhile share it: one that outlives this process still holds it. Where that
 * folder cannot be made, in a container engine without root, say, it is that of the network namespace's own file.
 */
export function lockHostNow(): () => void {
  for (;;) {
    const { fd, path } = openHost()
    const isLocked = flockNow(fd)
    if (isLocked && fstatSync(fd).ino === statSync(path, { throwIfNoEntry: false })?.ino) {
      lend(fd)
      return () => {
        lend(undefined)
        removeIfEmpty(path)
        closeSync(fd)
      }
    }
    closeSync(fd)
    if (!isLocked) throw noFlock(path)
  }
}

function openHost(): { fd: number; path: string } {
  try {
    mkdirSync(HOST_FOLDER, { recursive: true, mode: 0o700 })
    return { fd: openSync(HOST_FOLDER, 'r'), path: HOST_FOLDER }
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

function flockNow(fd: number): boolean {
  const stdio = [fd, 'ignore', 'ignore'] as const
  return spawnSync('flock', ['-x', '0'], { stdio: [...stdio], env: { PATH: searchPath() } }).status === 0
}

function noFlock(path: string): CnilabError {
  return new CnilabError('machine', `could not lock ${path}: is flock (package util-linux) installed?`)
}

/** Node has no flock, so util-linux's takes it on a descriptor that it shares with us (which execa's options do not offer). */
async function take(path: string, open: () => number): Promise<() => void> {
  for (;;) {
    const fd = open()
    const flock = spawn('flock', ['-x', '0'], { stdio: [fd, 'ignore', 'ignore'], env: { PATH: searchPath() } })
    const code: unknown = await once(flock, 'close').then(
      ([status]) => status,
      () => undefined,
    )
    // Whoever held it may have removed what is locked, as one does with a folder that has become empty.
    if (code === 0 && fstatSync(fd).ino === statSync(path, { throwIfNoEntry: false })?.ino) return () => closeSync(fd)
    closeSync(fd)
    if (code !== 0) throw noFlock(path)
  }
}
