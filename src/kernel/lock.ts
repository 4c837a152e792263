import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, fstatSync, mkdirSync, openSync, statSync } from 'node:fs'
import { CnilabError } from '../errors.ts'
import { searchPath } from './spawn.ts'

/**
 * Takes an exclusive lock on a folder, which it may `make`, waiting for it, and returns what gives it back. The lock is
 * flock(2)'s: it belongs to the open folder and so ends with this process, however that ends. Node has no flock, so
 * util-linux's takes it on a descriptor that it shares with us (which execa's options do not offer).
 */
export async function lock(folder: string, make = true): Promise<() => void> {
  for (;;) {
    if (make) mkdirSync(folder, { recursive: true, mode: 0o700 })
    const fd = openFolder(folder)
    const flock = spawn('flock', ['-x', '0'], { stdio: [fd, 'ignore', 'ignore'], env: { PATH: searchPath() } })
    const code: unknown = await once(flock, 'close').then(
      ([status]) => status,
      () => undefined,
    )
    // Whoever held it may have removed the folder, as one does that has become empty.
    if (code === 0 && fstatSync(fd).ino === statSync(folder, { throwIfNoEntry: false })?.ino) return () => closeSync(fd)
    closeSync(fd)
    if (code !== 0)
      throw new CnilabError('machine', `could not lock ${folder}: is flock (package util-linux) installed?`)
  }
}

function openFolder(folder: string): number {
  try {
    return openSync(folder, 'r')
  } catch {
    throw new CnilabError('state', 'the sandbox has ended meanwhile', { fix: 'run the command again' })
  }
}
