import { chmodSync, mkdtempSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { Host } from './host.ts'

/**
 * Writes files (name → lines) that commands on the host can read, calls `use` with their folder as the host sees it,
 * and removes them. A thousand small files are written fastest synchronously.
 */
export async function withFiles<T>(
  host: Host,
  files: ReadonlyMap<string, readonly string[]>,
  use: (folder: string) => Promise<T>,
): Promise<T> {
  const umask = process.umask(0o022) // inside a sandbox another uid reads them
  let folder: string
  try {
    folder = mkdtempSync(join(host.batches.folder, 'cnilab-batch-'))
    chmodSync(folder, 0o755)
    for (const [name, lines] of files) writeFileSync(join(folder, name), `${lines.join('\n')}\n`)
  } finally {
    process.umask(umask)
  }
  try {
    return await use(join(host.batches.seen, basename(folder)))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
