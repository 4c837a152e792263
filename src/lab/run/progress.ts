import { existsSync, rmSync, unlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import * as z from 'zod'
import { CnilabError } from '../../errors.ts'
import { type Host, MACHINE } from '../../kernel/host.ts'
import { withOwnFolder } from '../../kernel/host-root.ts'
import { makeFolder } from '../../kernel/make-folder.ts'
import { replaceFile } from '../../kernel/replace-file.ts'
import { distrust, requireTrust } from '../../kernel/trust.ts'
import { isLabPath } from '../format/lab-name.ts'
import { exclusively } from '../../journal/exclusively.ts'
import { readOwn } from '../../journal/journal.ts'
import { progressFileOf } from './progress-file.ts'

/** Text for the terminal, which must not control it. */
const printable = z.string().regex(/^\P{Cc}*$/u)

const stepProgressSchema = z.object({
  /** When it was first found to be done (ISO 8601). */
  done: z.iso.datetime().optional(),
  /** How many of its hints were shown. */
  hints: z.int().min(0).max(1000).default(0),
  /** Whether the program did it, not the learner. */
  solved: z.boolean().default(false),
  skipped: z.boolean().default(false),
  /** In an exam: the learner asked for its solution. */
  gaveUp: z.boolean().default(false),
  /** By the question's number, from 0: whether the first answer was right. */
  answers: z.record(z.string(), z.boolean()).default({}),
})
/** What is kept of a step that a learner has come to. */
export type StepProgress = z.infer<typeof stepProgressSchema>

const progressSchema = z.object({
  version: z.literal(1),
  /** The lab's name, or the absolute path of its file. */
  lab: printable,
  /** The values of `--set`, as key=value. */
  set: z.array(printable),
  /** When the lab was started, and when this was written (ISO 8601). */
  started: z.iso.datetime(),
  written: z.iso.datetime(),
  /** By step id, which stays the same when the lab file changes. */
  steps: z.record(z.string(), stepProgressSchema),
})

/** How far a learner has come in the lab that runs in a sandbox. */
export type LabProgress = z.infer<typeof progressSchema>

/** The progress in one step, even if nothing is recorded yet. */
export function stepProgress(progress: LabProgress, id: string): StepProgress {
  return progress.steps[id] ?? { hints: 0, solved: false, skipped: false, gaveUp: false, answers: {} }
}

/** The progress of a lab that has just started. */
export function newProgress(lab: string, set: readonly string[]): LabProgress {
  const now = new Date().toISOString()
  return { version: 1, lab, set: [...set], started: now, written: now, steps: {} }
}

/** Where a lab runs: a host that is open, or a sandbox that may be gone. */
type Place = Host | Pick<Host, 'name'>

/**
 * The progress of the lab on a host; undefined if none runs. Any program in a sandbox may have written the sandbox's own
 * copy, so from outside it is only trusted to say how far the lab is that we know of, that this was ended, or that a lab that
 * ships was started. Throws CnilabError `machine` if others may have written the user's own file.
 */
export function readProgress(place: Place): LabProgress | undefined {
  if (!isInside(place)) requireOwnFile(place)
  return readNoted(place)
}

function readNoted(place: Place): LabProgress | undefined {
  const copy = parse(readCopy(place, COPY))
  if (isInside(place)) return copy
  const own = parse(readUsers(place))
  const hasEnded = own !== undefined && endedInside(place).includes(own.started)
  if (hasEnded) remove(progressFileOf(place.name)) // before the sandbox is gone
  const known = hasEnded ? undefined : own
  const shared = copy && !isLabPath(copy.lab) ? copy : undefined
  if (known && copy?.started === known.started)
    return known.written < copy.written ? { ...known, written: copy.written, steps: copy.steps } : known
  return known && shared ? (known.started < shared.started ? shared : known) : (known ?? shared)
}

/**
 * Changes the progress of the lab that was started at `started`, under the host's lock. Returns the new progress; undefined
 * if that lab was ended meanwhile.
 */
export async function updateProgress(
  host: Host,
  started: string,
  change: (progress: LabProgress) => void,
): Promise<LabProgress | undefined> {
  if (readProgress(host)?.started !== started) return undefined
  return exclusively(host, () => {
    const progress = readProgress(host)
    if (progress?.started !== started) return Promise.resolve(undefined)
    change(progress)
    writeProgress(host, progress)
    return Promise.resolve(progress)
  })
}

/** Writes the progress, atomically. Throws CnilabError `machine` if it can be written nowhere, or others could change it. */
export function writeProgress(place: Place, progress: LabProgress): void {
  if (!isInside(place)) requireOwnFile(place)
  const text = `${JSON.stringify({ ...progress, written: new Date().toISOString() }, undefined, 2)}\n`
  const isCopied = writeCopy(place, COPY, text)
  const file = progressFileOf(place.name)
  const isKept = !isInside(place) && replace(file, text, dirname(file))
  if (!isCopied && !isKept)
    throw new CnilabError('machine', `could not write the progress of the lab to ${file}`, {
      fix: `see who may write there: ls -ld ${dirname(file)}; or set XDG_STATE_HOME to a folder of your own`,
    })
}

/** Removes the progress. Inside a sandbox, where the user's own file is out of reach, records that the lab has ended. */
export function endProgress(place: Place): void {
  const progress = readNoted(place)
  if (isInside(place)) {
    if (progress) writeCopy(place, ENDED, JSON.stringify([...endedInside(place), progress.started].slice(-MAX_MARKS)))
  } else if (distrust(progressFileOf(place.name)) === undefined) remove(progressFileOf(place.name))
  inSandbox(place, (folder) => rmSync(join(folder, COPY), { force: true }))
}

/** Removes a file if it exists. Throws the system's error. */
function remove(file: string): void {
  if (existsSync(file)) unlinkSync(file)
}

/** The files in a sandbox's own directory: a copy of the progress, the only one that is visible inside, and the labs that were ended. */
const COPY = 'progress.json'
const ENDED = 'ended.json'

/** How many labs that were ended inside are remembered. */
const MAX_MARKS = 100
const endedSchema = z.array(z.iso.datetime())

/** The start times of the labs that were ended inside the sandbox. */
function endedInside(place: Place): string[] {
  return endedSchema.safeParse(parseJson(readCopy(place, ENDED))).data ?? []
}

/** Whether this process is inside the sandbox, where the user's own file is out of reach. */
function isInside(place: Place): boolean {
  return 'kind' in place && place.kind === 'sandbox' && place.inside
}

/** Calls `use` with a path of the sandbox's own directory; undefined if there is none. */
function inSandbox<T>(place: Place, use: (folder: string) => T): T | undefined {
  if (!('kind' in place) || place.kind !== 'sandbox') return undefined
  try {
    return withOwnFolder(place, use)
  } catch {
    return undefined // a program in the sandbox broke it, which is no reason to fail
  }
}

function readCopy(place: Place, name: string): string {
  if (!('kind' in place) || place.kind !== 'sandbox') return ''
  try {
    return readOwn(place, join(place.folder, name))
  } catch {
    return ''
  }
}

/** Writes a file in the sandbox's own directory; returns whether it could. */
function writeCopy(place: Place, name: string, text: string): boolean {
  return inSandbox(place, (folder) => replace(join(folder, name), text)) === true
}

/** The user's own file, in their state directory (XDG Base Directory); '' if it cannot be read, or others could change it. */
function readUsers({ name }: Place): string {
  const file = progressFileOf(name)
  try {
    return distrust(file) === undefined ? readOwn(MACHINE, file) : ''
  } catch {
    return ''
  }
}

function requireOwnFile({ name }: Place): void {
  requireTrust(
    progressFileOf(name),
    'set XDG_STATE_HOME to a folder that only you can use; with sudo, leave out -E, or add -H',
  )
}

function parse(text: string): LabProgress | undefined {
  return progressSchema.safeParse(parseJson(text)).data
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Replaces a file; returns whether it could. Never follows a link that a program in the sandbox may have put there. */
function replace(file: string, text: string, folder?: string): boolean {
  try {
    if (folder !== undefined) makeFolder(folder, 0o700)
    replaceFile(file, text, { mode: 0o644, flush: true })
    return true
  } catch {
    return false
  }
}
