import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { CnilabError } from '../errors.ts'
import { searchPath } from './spawn.ts'

/**
 * Takes an exclusive lock on a file, waiting for it, and returns what gives it back. The lock is flock(2)'s: it belongs
 * to the open file and so ends with this process, however that ends. Node has no flock, so util-linux's takes it on a
 * descriptor that it shares with us (which execa's options do not offer).
 */
export async function lock(file: string): Promise<() => void> {
  const fd = openSync(file, 'a', 0o600)
  const flock = spawn('flock', ['-x', '0'], { stdio: [fd, 'ignore', 'ignore'], env: { PATH: searchPath() } })
  const code: unknown = await once(flock, 'close').then(
    ([status]) => status,
    () => undefined,
  )
  if (code === 0) return () => closeSync(fd)
  closeSync(fd)
  throw new CnilabError('machine', `could not lock ${file}: is flock (package util-linux) installed?`)
}
