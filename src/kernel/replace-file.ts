import { renameSync, rmSync, writeFileSync } from 'node:fs'

/**
 * Replaces whatever is at a path, even a link or a pipe, but not a directory, by a file with this content. Atomic: a reader
 * sees the old or the new one, with `flush` even after a power failure. `fresh` is its temporary name. Throws the system's
 * error, and then leaves nothing behind.
 */
export function replaceFile(
  path: string,
  content: string | Buffer,
  { mode, fresh = `${path}.${process.pid}`, flush = false }: { mode: number; fresh?: string; flush?: boolean },
): void {
  rmSync(fresh, { force: true })
  try {
    writeFileSync(fresh, content, { flag: 'wx', mode, flush })
    renameSync(fresh, path)
  } catch (error) {
    rmSync(fresh, { force: true })
    throw error
  }
}
