import { resolve } from 'node:path'
import { CnilabError } from '../errors.ts'
import { endEntries, readJournal } from '../journal/journal.ts'
import {
  endProgress,
  newProgress,
  type Progress,
  readProgress,
  stepProgress,
  type StepProgress,
  writeProgress,
} from '../journal/progress.ts'
import { flagsFor, type Host } from '../kernel/host.ts'
import { type Kernel, kernelOf } from '../kernel/kernel.ts'
import { isLabPath, type Lab, type LabStep } from '../lab/lab.ts'
import { ownSandbox } from '../sandbox/find.ts'
import { findSandbox } from '../sandbox/open.ts'
import { removeSandbox } from '../sandbox/remove.ts'
import { restoreSandbox } from '../sandbox/restore.ts'
import { type Checked, checkLab } from './check-lab.ts'
import { doPlan } from './do.ts'
import { loadLab } from './lab-files.ts'
import { runCommands } from './lab-steps.ts'
import { undoEntries } from './undo.ts'

/** A lab that somebody works on: in a sandbox or on the machine, with how far they have come. */
export interface RunningLab {
  kernel: Kernel
  lab: Lab
  progress: Progress
}

/** The lab that runs on a host; undefined if none does. Throws CnilabError `usage` if its file cannot be read any more. */
export async function runningLab(kernel: Kernel): Promise<RunningLab | undefined> {
  const progress = readProgress(kernel.host)
  return progress && { kernel, lab: await loadLab(progress.lab, progress.set), progress }
}

/** The lab that runs in a sandbox of this name, which need not be open; else the one called `otherwise`. */
export async function labOf(place: { name: string }, otherwise: string): Promise<Lab> {
  const progress = readProgress(ownSandbox() ?? place)
  return loadLab(progress?.lab ?? otherwise, progress?.set ?? [])
}

/** The same where there has to be one. Throws CnilabError `state`. */
export async function requireLab(kernel: Kernel): Promise<RunningLab> {
  const running = await runningLab(kernel)
  if (running) return running
  const flags = flagsFor(kernel.host)
  throw new CnilabError('state', 'no lab is running here', {
    fix: `cnilab lab start eight-steps${flags}; cnilab lab list names the others`,
  })
}

/** Notes that a lab begins, which finds the network as it is. */
export async function beginLab(kernel: Kernel, name: string, set: readonly string[]): Promise<RunningLab> {
  const lab = await loadLab(name, set)
  // A path is meant from where it was typed, and is read again from elsewhere.
  const progress = newProgress(isLabPath(name) ? resolve(name) : name, set)
  writeProgress(kernel.host, progress)
  return { kernel, lab, progress }
}

/**
 * Starts a lab on a host: its starting state, and nothing done yet. Throws CnilabError `state` if another one runs there,
 * or another network stands there, and as `doPlan` does.
 */
export async function startLab(kernel: Kernel, name: string, set: readonly string[]): Promise<RunningLab> {
  const { host } = kernel
  const flags = flagsFor(host)
  await loadLab(name, set) // a mistake in it comes first
  const other = readProgress(host)
  if (other)
    throw new CnilabError('state', `the lab ${other.lab} runs here already`, {
      fix: `cnilab lab start --resume${flags} goes on with it, cnilab lab stop${flags} ends it; --sandbox with another name starts one beside it`,
    })
  if (readJournal(host).length > 0)
    throw new CnilabError('state', `cnilab has made a network here already`, {
      fix:
        host.kind === 'machine'
          ? 'cnilab clean --host'
          : `cnilab sandbox delete ${host.name}, or --sandbox with another name`,
    })
  const running = await beginLab(kernel, name, set)
  try {
    await doPlan(kernel, running.lab.start)
  } catch (error) {
    endProgress(host)
    throw error
  }
  return running
}

/** Notes something about a step. */
export function note(running: RunningLab, step: LabStep, what: Partial<StepProgress>): void {
  const { progress } = running
  progress.steps[step.id] = { ...stepProgress(progress, step.id), ...what }
  writeProgress(running.kernel.host, progress)
}

/** Checks the lab, as far as the learner has ever come, and notes what is done. Unless `patient`, it waits for nothing. */
export async function checkRunning(running: RunningLab, patient = true): Promise<Checked> {
  const { kernel, lab, progress } = running
  const reached = lab.steps.findLastIndex(({ id }) => stepProgress(progress, id).done !== undefined)
  const checked = await checkLab(kernel, lab, reached, patient)
  const fresh = checked.steps.filter(
    ({ step, status }) => status === 'done' && stepProgress(progress, step.id).done === undefined,
  )
  const done = new Date().toISOString()
  for (const { step } of fresh) progress.steps[step.id] = { ...stepProgress(progress, step.id), done }
  if (fresh.length > 0) writeProgress(kernel.host, progress)
  return checked
}

/** The step that a learner is at: the first that is not done; undefined at the end. */
export function currentStep({ steps }: Checked): LabStep | undefined {
  return steps.find(({ status }) => status === 'next')?.step
}

/**
 * Goes on with a lab: where its sandbox is gone (`isNew`), with all that was in it, the steps that were done are done
 * again.
 */
export async function resumeLab(running: RunningLab, isNew: boolean): Promise<void> {
  const { kernel, lab, progress } = running
  writeProgress(kernel.host, progress) // in the new sandbox, too
  if (!isNew) return
  const next = lab.steps.find(({ id }) => stepProgress(progress, id).done === undefined)
  await rebuild(running, next ? lab.steps.indexOf(next) : lab.steps.length)
}

/**
 * Rebuilds the exact state at the start of a step, whatever was done since; without one, that of the lab. What is noted
 * of that step and those after it is forgotten. On the machine only what the journal names is taken away.
 */
export async function resetLab(running: RunningLab, step?: LabStep): Promise<void> {
  const { kernel, lab, progress } = running
  const at = step ? lab.steps.indexOf(step) : 0
  await clear(kernel)
  await rebuild(running, at)
  for (const { id } of lab.steps.slice(at)) delete progress.steps[id]
  writeProgress(kernel.host, progress)
}

/** Does the first steps of a lab on a host that holds nothing yet. */
async function rebuild({ kernel, lab }: RunningLab, count: number): Promise<void> {
  await doPlan(kernel, lab.start)
  for (const { operations, run } of lab.steps.slice(0, count)) {
    await doPlan(kernel, operations)
    await runCommands(kernel, run)
  }
}

/**
 * Ends the lab that runs somewhere, if that is still there: its network is taken away, from outside with the whole
 * sandbox, and its progress forgotten. Returns what could not be taken away, in words.
 */
export async function stopLab(host: Host | undefined, name: string): Promise<string[]> {
  const sandbox = host?.kind === 'sandbox' && host.root !== '' ? findSandbox(host.name) : undefined
  const left = host && !sandbox ? await clear(kernelOf(host)) : []
  if (sandbox) await removeSandbox(sandbox)
  endProgress(host ?? { name })
  return left
}

async function clear(kernel: Kernel): Promise<string[]> {
  const { host } = kernel
  const entries = readJournal(host)
  if (host.kind === 'machine') {
    const { left, kept } = await undoEntries(kernel, entries)
    return [...left, ...kept]
  }
  await restoreSandbox(host)
  endEntries(
    host,
    entries.map(({ id }) => id),
  )
  return []
}
