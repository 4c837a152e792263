import {
  appendFileSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
} from 'node:fs'
import { join } from 'node:path'
import * as z from 'zod'
import { type Host, JOURNAL } from '../kernel/host.ts'
import { type Before, beforeSchema } from '../operations/operation.ts'
import { isKind, type Operation, parseOperation } from '../operations/registry.ts'

/** One operation of the journal. `intent`: it was about to be done, and may or may not have been. */
export interface Entry {
  id: string
  operation: Operation
  before: Before
  status: 'intent' | 'created' | 'adopted'
}

/** A line of the journal. Written before the act (`intent`), after it (`created`), and when undone. */
export type JournalLine =
  | { boot: string }
  | { intent: string; operation: Operation; before: Before }
  | { adopted: string; operation: Operation }
  | { created: string; inode?: number | undefined }
  | { undone: string }

const lineSchema = z.union([
  z.object({ boot: z.string() }),
  z.object({
    intent: z.string(),
    operation: z.object({ kind: z.string(), params: z.unknown() }),
    before: beforeSchema,
  }),
  z.object({ adopted: z.string(), operation: z.object({ kind: z.string(), params: z.unknown() }) }),
  z.object({ created: z.string(), inode: z.number().optional() }),
  z.object({ undone: z.string() }),
])

/**
 * What the host's journal says is there: every operation that was intended, created or adopted and not undone since,
 * oldest first. After a reboot nothing of it is left, so what another boot wrote does not count.
 */
export function readJournal(host: Host): Entry[] {
  const entries = new Map<string, Entry>()
  let isThisBoot = false
  for (const line of readLines(host)) {
    if ('boot' in line) {
      isThisBoot = line.boot === bootId()
      entries.clear()
    } else if (!isThisBoot) {
      continue
    } else if ('undone' in line) entries.delete(line.undone)
    else if ('created' in line) {
      const entry = entries.get(line.created)
      if (entry)
        entries.set(entry.id, {
          ...entry,
          status: 'created',
          before: line.inode === undefined ? entry.before : { ...entry.before, inode: line.inode },
        })
    } else {
      const { kind, params } = line.operation
      if (!isKind(kind)) continue // written by a later version
      const operation = parseOperation(kind, params)
      const entry: Entry =
        'intent' in line
          ? { id: line.intent, operation, before: line.before, status: 'intent' }
          : { id: line.adopted, operation, before: {}, status: 'adopted' }
      entries.set(entry.id, entry)
    }
  }
  return [...entries.values()]
}

function readLines(host: Host): z.infer<typeof lineSchema>[] {
  let text: string
  try {
    text = readFileSync(join(host.folder, JOURNAL), 'utf8')
  } catch {
    return []
  }
  return text.split('\n').flatMap((line) => {
    try {
      return lineSchema.safeParse(JSON.parse(line)).data ?? []
    } catch {
      return [] // the last line of a process that was killed while writing it
    }
  })
}

/** Appends lines. On the machine they are on disk when this returns: one fsync for all of them. */
export function appendJournal(host: Host, lines: readonly JournalLine[]): void {
  if (lines.length === 0) return
  mkdirSync(host.folder, { recursive: true, mode: 0o700 })
  const isNew = (statSync(join(host.folder, JOURNAL), { throwIfNoEntry: false })?.size ?? 0) === 0
  const text = [...(isNew ? [{ boot: bootId() }] : []), ...lines].map((line) => `${JSON.stringify(line)}\n`).join('')
  const file = openSync(join(host.folder, JOURNAL), 'a', 0o600)
  try {
    // A torn last line must not swallow the next one.
    appendFileSync(file, isNew ? text : `\n${text}`)
    if (host.kind === 'machine') fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

/**
 * Writes that entries were undone, and ends a journal that has nothing left to undo. A sandbox keeps the file, which
 * both its users may write.
 */
export function endEntries(host: Host, ids: readonly string[]): void {
  appendJournal(
    host,
    ids.map((id) => ({ undone: id })),
  )
  if (readJournal(host).some((entry) => entry.status !== 'adopted')) return
  const file = join(host.folder, JOURNAL)
  if (host.kind === 'machine') rmSync(file, { force: true })
  else if (existsSync(file)) truncateSync(file)
}

function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
}
