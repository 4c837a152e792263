import { existsSync, unlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import * as z from 'zod'
import { CnilabError } from '../errors.ts'
import type { Host } from '../kernel/host.ts'
import { makeFolder } from '../kernel/make-folder.ts'
import { replaceFile } from '../kernel/replace-file.ts'
import { isLabPath } from '../lab/lab.ts'
import { exclusively } from './exclusively.ts'
import { readOwn } from './journal.ts'
import { progressFileOf } from './progress-file.ts'

/** What goes to the terminal must not steer it. */
const printable = z.string().regex(/^\P{Cc}*$/u)

const stepProgressSchema = z.object({
  /** When it was first found done (ISO 8601). */
  done: z.iso.datetime().optional(),
  /** How many of its hints were shown. */
  hints: z.int().min(0).max(1000).default(0),
  /** The program did it, not the learner. */
  solved: z.boolean().default(false),
  skipped: z.boolean().default(false),
  /** Of each question, by its number from 0, whether the first answer was right. */
  answers: z.record(z.string(), z.boolean()).default({}),
})
export type StepProgress = z.infer<typeof stepProgressSchema>

const progressSchema = z.object({
  version: z.literal(1),
  /** The lab's name, or the absolute path of its file. */
  lab: printable,
  /** The values of `--set`, as key=value. */
  set: z.array(printable),
  /** When it was begun, and when this was written (ISO 8601). */
  started: z.iso.datetime(),
  written: z.iso.datetime(),
  /** By the ids of the steps, which outlive a change of the lab file. */
  steps: z.record(z.string(), stepProgressSchema),
})

/** How far a learner has come in the lab that runs in a sandbox. */
export type Progress = z.infer<typeof progressSchema>

/** The step's own part, also where nothing is noted yet. */
export function stepProgress(progress: Progress, id: string): StepProgress {
  return progress.steps[id] ?? { hints: 0, solved: false, skipped: false, answers: {} }
}

/** A lab that begins. */
export function newProgress(lab: string, set: readonly string[]): Progress {
  const now = new Date().toISOString()
  return { version: 1, lab, set: [...set], started: now, written: now, steps: {} }
}

/** Where a lab runs: a sandbox that may be gone, the machine, or a host that is open. */
type Place = Pick<Host, 'name'> & Partial<Pick<Host, 'kind' | 'folder' | 'root'>>

/**
 * The progress of the lab that runs somewhere; undefined if none does. The sandbox's own copy may have been written by
 * any program in it: seen from outside, it says no more than how far the lab is that we know of, that it was ended, or
 * that a lab that ships was begun.
 */
export function readProgress(place: Place): Progress | undefined {
  const [own, copy] = filesOf(place).map(parse)
  const hasEnded = own !== undefined && endedInside(place).includes(own.started)
  if (hasEnded && place.root !== '') remove(progressFileOf(place.name)) // before the sandbox is gone
  const known = hasEnded ? undefined : own
  const shared = copy && (place.root === '' || !isLabPath(copy.lab)) ? copy : undefined
  if (known && copy?.started === known.started)
    return known.written < copy.written ? { ...known, written: copy.written, steps: copy.steps } : known
  return known && shared ? (known.started < shared.started ? shared : known) : (known ?? shared)
}

/**
 * Changes what is noted, of the lab that was begun at `started`, while nobody else does. Returns it as it is then;
 * undefined if that lab was ended meanwhile.
 */
export async function updateProgress(
  host: Host,
  started: string,
  change: (progress: Progress) => void,
): Promise<Progress | undefined> {
  if (readProgress(host)?.started !== started) return undefined
  return exclusively(host, () => {
    const progress = readProgress(host)
    if (progress?.started !== started) return Promise.resolve(undefined)
    change(progress)
    writeProgress(host, progress)
    return Promise.resolve(progress)
  })
}

/** Writes it down, atomically. Throws CnilabError `machine` where that is possible nowhere. */
export function writeProgress(place: Place, progress: Progress): void {
  const text = `${JSON.stringify({ ...progress, written: new Date().toISOString() }, undefined, 2)}\n`
  const files = filesOf(place)
  // The folder of a sandbox goes with it, and must not come back.
  if (files.filter((file, i) => replace(file, text, i === 0)).length === 0)
    throw new CnilabError('machine', `the progress of the lab could not be written to ${files.join(' or ')}`)
}

/** Forgets it. Inside a sandbox, where the user's own file is out of reach, it is written down that the lab has ended. */
export function endProgress(place: Place): void {
  const progress = readProgress(place)
  if (place.root === '' && progress) {
    const marks = JSON.stringify([...endedInside(place), progress.started].slice(-MOST_MARKS))
    for (const file of endedFile(place)) replace(file, marks, false)
  }
  for (const [i, file] of filesOf(place).entries()) if (place.root !== '' || i > 0) remove(file)
}

/** Throws what the system says, but for a path that leads to no file. */
function remove(file: string): void {
  if (existsSync(file)) unlinkSync(file)
}

/** So many labs that were ended inside are remembered. */
const MOST_MARKS = 100
const endedSchema = z.array(z.iso.datetime())

function endedFile({ kind, folder }: Place): string[] {
  return kind === 'sandbox' && folder !== undefined ? [join(folder, 'ended.json')] : []
}

/** When the labs were begun that were ended inside the sandbox. */
function endedInside(place: Place): string[] {
  return endedFile(place).flatMap((file) => {
    try {
      return endedSchema.safeParse(JSON.parse(readOwn(file))).data ?? []
    } catch {
      return [] // there is none
    }
  })
}

/**
 * Where it is kept: in the user's state folder (XDG Base Directory), and, because inside a sandbox that is read-only or
 * hidden, in the sandbox's own folder, too. The newer one counts.
 */
function filesOf({ name, kind, folder }: Place): string[] {
  const inSandbox = kind === 'sandbox' && folder !== undefined ? [join(folder, 'progress.json')] : []
  return [progressFileOf(name), ...inSandbox]
}

function parse(file: string): Progress | undefined {
  try {
    return progressSchema.safeParse(JSON.parse(readOwn(file))).data
  } catch {
    return undefined // none, or not readable from inside the sandbox
  }
}

/** Returns whether it could. Never through a link that a program of the sandbox may have put there. */
function replace(file: string, text: string, isFolderMade: boolean): boolean {
  try {
    if (isFolderMade) makeFolder(dirname(file), 0o700)
    replaceFile(file, text, { mode: 0o644, flush: true })
    return true
  } catch {
    return false
  }
}
