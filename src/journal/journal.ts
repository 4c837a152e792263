import { appendFileSync, closeSync, constants, fstatSync, fsyncSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import * as z from 'zod'
import { type Host, JOURNAL } from '../kernel/host.ts'
import { requireHostFolder } from '../kernel/host-folder.ts'
import { notOpened, openOwn } from '../kernel/host-root.ts'
import { makeFolder } from '../kernel/make-folder.ts'
import { MIB, readDescriptor, readText } from '../kernel/read-file.ts'
import type { Before } from '../operations/operation.ts'
import { beforeSchema } from '../operations/schemas.ts'
import { isKind, type Operation, parseOperation } from '../operations/registry.ts'

/** One operation of the journal. `intent` means that it was about to be done: it may or may not have been. */
export interface JournalEntry {
  id: string
  operation: Operation
  before: Before
  status: 'intent' | 'created' | 'adopted'
  /** The attachment for which it was done by `bridge add`: `network/container/interface`. */
  owner?: string | undefined
}

/** A line of the journal, written before an operation (`intent`), after it (`created`), and after its undo. */
export type JournalLine =
  | { boot: string }
  | { intent: string; operation: Operation; before: Before; owner?: string | undefined }
  | { adopted: string; operation: Operation }
  | ({ created: string } & Pick<Before, 'inode' | 'since'>)
  | { undone: string }

const lineSchema = z.union([
  z.object({ boot: z.string() }),
  z.object({
    intent: z.string(),
    operation: z.object({ kind: z.string(), params: z.unknown() }),
    before: beforeSchema,
    owner: z.string().optional(),
  }),
  z.object({ adopted: z.string(), operation: z.object({ kind: z.string(), params: z.unknown() }) }),
  z.object({ created: z.string(), inode: z.number().optional(), since: z.number().optional() }),
  z.object({ undone: z.string() }),
])

/**
 * Reads the host's journal: every operation that was intended, created or adopted and not undone since, oldest first. A
 * reboot clears the kernel, so lines from another boot do not count.
 */
export function readJournal(host: Host): JournalEntry[] {
  return fold(host).entries
}

/** Folds the journal into entries. `unknown` counts the operations that only a later version can read. */
function fold(host: Host): { entries: JournalEntry[]; unknown: number } {
  const entries = new Map<string, JournalEntry>()
  const unknown = new Set<string>()
  let boot: string | undefined
  for (const line of readLines(host)) {
    if ('boot' in line) {
      boot = line.boot
      entries.clear()
      unknown.clear()
    } else if (boot !== bootId()) {
      continue
    } else if ('undone' in line) {
      entries.delete(line.undone)
      unknown.delete(line.undone)
    } else if ('created' in line) {
      const entry = entries.get(line.created)
      if (entry)
        entries.set(entry.id, {
          ...entry,
          status: 'created',
          before: line.inode === undefined ? entry.before : { ...entry.before, inode: line.inode, since: line.since },
        })
    } else {
      const id = 'intent' in line ? line.intent : line.adopted
      const operation = readOperation(line.operation)
      if (!operation) unknown.add(id)
      else if ('intent' in line)
        entries.set(id, { id, operation, before: line.before, status: 'intent', owner: line.owner })
      else entries.set(id, { id, operation, before: {}, status: 'adopted' })
    }
  }
  return { entries: [...entries.values()], unknown: unknown.size }
}

/** Parses an operation; undefined for one that only a later version can read. */
function readOperation({ kind, params }: { kind: string; params?: unknown }): Operation | undefined {
  try {
    return isKind(kind) ? parseOperation(kind, params) : undefined
  } catch {
    return undefined
  }
}

function readLines(host: Host): z.infer<typeof lineSchema>[] {
  requireHostFolder(host, JOURNAL)
  const text = readOwn(host, join(host.folder, JOURNAL))
  return text.split('\n').flatMap((line) => {
    try {
      return lineSchema.safeParse(JSON.parse(line)).data ?? []
    } catch {
      return [] // the last line of a process that was killed while writing it
    }
  })
}

/**
 * Appends lines. On the machine they are on disk when this returns, with one fsync for all of them. Writes nothing for a
 * sandbox that lives only for one run: it goes as a whole.
 */
export function appendJournal(host: Host, lines: readonly JournalLine[]): void {
  if (lines.length === 0 || !host.common) return
  requireHostFolder(host, JOURNAL)
  if (host.kind === 'machine') makeFolder(host.folder, 0o700)
  const path = join(host.folder, JOURNAL)
  const boots = readOwn(host, path).match(/^\{"boot":"[^"]*"\}$/gm)
  const isOtherBoot = boots?.at(-1) !== JSON.stringify({ boot: bootId() })
  const text = [...(isOtherBoot ? [{ boot: bootId() }] : []), ...lines].map((line) => `${JSON.stringify(line)}\n`)
  const file = openOwn(host, path, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT)
  if (file === undefined) throw notOpened(host, path, 'its folder no longer exists')
  try {
    // An incomplete last line must not swallow the next one.
    appendFileSync(file, `${fstatSync(file).size === 0 ? '' : '\n'}${text.join('')}`)
    if (host.kind === 'machine') fsyncSync(file)
  } catch (error) {
    throw notOpened(host, path, error) // a full file system, say
  } finally {
    closeSync(file)
  }
}

/**
 * Records that entries were undone, and clears the journal if nothing is left to undo. A sandbox keeps the empty file, which
 * both its users may write to.
 */
export function endEntries(host: Host, ids: readonly string[]): void {
  appendJournal(
    host,
    ids.map((id) => ({ undone: id })),
  )
  const { entries, unknown } = fold(host)
  if (unknown > 0 || entries.some((entry) => entry.status !== 'adopted')) return
  const path = join(host.folder, JOURNAL)
  if (host.kind === 'machine') rmSync(path, { force: true })
  else {
    const file = openOwn(host, path, constants.O_WRONLY | constants.O_TRUNC)
    if (file !== undefined) closeSync(file)
  }
}

/** The largest journal that we read, in bytes: 1000 containers take 6 MiB. */
const MAX_LENGTH = 64 * MIB

/** Reads one of cnilab's own files on the host; '' if there is none. Throws as `openOwn` does, also if it is too large. */
export function readOwn(host: Host, path: string): string {
  const file = openOwn(host, path, constants.O_RDONLY)
  if (file === undefined) return ''
  try {
    return readDescriptor(file, MAX_LENGTH, 0).toString('utf8')
  } catch (error) {
    throw notOpened(host, path, error)
  } finally {
    closeSync(file)
  }
}

/** What tells this start of the machine from any other: random(4), boot_id. */
export function bootId(): string {
  return readText('/proc/sys/kernel/random/boot_id').trim()
}
