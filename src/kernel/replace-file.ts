import { renameSync, rmSync, writeFileSync } from 'node:fs'

/**
 * Puts a file with this text in the place of whatever has the path, a link or a pipe too, but no folder: a reader
 * sees the old one or the new one, with `flush` also after the power failed. `fresh` is its name until then. Throws what
 * the system says, and then leaves nothing.
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
