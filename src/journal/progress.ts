import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import * as z from 'zod'
import { CnilabError } from '../errors.ts'
import type { Host } from '../kernel/host.ts'
import { readOwn } from './journal.ts'
import { progressFileOf } from './progress-file.ts'

const stepProgressSchema = z.object({
  /** When it was first found done (ISO 8601). */
  done: z.string().optional(),
  /** How many of its hints were shown. */
  hints: z.number().default(0),
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
  lab: z.string(),
  /** The values of `--set`, as key=value. */
  set: z.array(z.string()),
  /** When it was begun, and when this was written (ISO 8601). */
  started: z.string(),
  written: z.string(),
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
type Place = Pick<Host, 'name'> & Partial<Pick<Host, 'kind' | 'folder'>>

/** The progress of the lab that runs somewhere; undefined if none does. */
export function readProgress(place: Place): Progress | undefined {
  const found = filesOf(place).flatMap((file) => parse(file) ?? [])
  return found.toSorted((a, b) => (a.written < b.written ? 1 : -1))[0]
}

/** Writes it down, atomically. Throws CnilabError `machine` where that is possible nowhere. */
export function writeProgress(place: Place, progress: Progress): void {
  const text = `${JSON.stringify({ ...progress, written: new Date().toISOString() }, undefined, 2)}\n`
  const files = filesOf(place)
  if (files.filter((file) => replace(file, text)).length === 0)
    throw new CnilabError('machine', `the progress of the lab could not be written to ${files.join(' or ')}`)
}

/** Forgets it. */
export function endProgress(place: Place): void {
  for (const file of filesOf(place)) {
    try {
      rmSync(file, { force: true })
    } catch {
      // read-only: inside a sandbox the user's own folders are
    }
  }
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

/** Returns whether it could. `wx`: never through a link that a program of the sandbox may have put there. */
function replace(file: string, text: string): boolean {
  const fresh = `${file}.${process.pid}`
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    rmSync(fresh, { force: true })
    writeFileSync(fresh, text, { flag: 'wx', mode: 0o644 })
    renameSync(fresh, file)
    return true
  } catch {
    return false
  }
}
