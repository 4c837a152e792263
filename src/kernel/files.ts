import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { Host } from './host.ts'
import { isOfDead, ownMark } from './process-mark.ts'
import { distrust, requireTrust } from './trust.ts'

/** The names of batch directories begin with this; the mark of the process that made it and six letters follow. */
const BATCH = 'cnilab-batch-'

/**
 * Writes files (name → lines) that commands on the host can read, calls `use` with their directory as the host sees it,
 * and removes them. Writing a thousand small files is fastest synchronously.
 */
export async function withFiles<T>(
  { kind, batches }: Host,
  files: ReadonlyMap<string, readonly string[]>,
  use: (folder: string) => Promise<T>,
): Promise<T> {
  const umask = process.umask(0o022) // inside a sandbox another uid reads them
  let folder: string
  try {
    folder = mkdtempSync(join(batches.folder, `${BATCH}${ownMark()}-`))
    // Root does whatever these files tell ip(8) to do.
    if (kind === 'machine') requireTrust(folder, `only root may change it: ls -ld ${batches.folder}`)
    chmodSync(folder, 0o755)
    for (const [name, lines] of files) writeFileSync(join(folder, name), `${lines.join('\n')}\n`)
  } finally {
    process.umask(umask)
  }
  try {
    return await use(join(batches.seen, basename(folder)))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Removes the batches of commands that were killed; another user's files of such a name stay. */
export function sweepFiles({ batches: { folder } }: Host): void {
  for (const name of namesIn(folder)) {
    const mark = name.startsWith(BATCH) ? name.slice(BATCH.length).replace(/-\w{6}$/, '') : ''
    const path = join(folder, name)
    if (isOfDead(mark) && distrust(path) === undefined) rmSync(path, { recursive: true, force: true })
  }
}

/** Empty if the sandbox has just ended. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
