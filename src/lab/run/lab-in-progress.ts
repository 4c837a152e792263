import { resolve } from 'node:path'
import { CnilabError } from '../../errors.ts'
import { exclusively } from '../../journal/exclusively.ts'
import { readJournal } from '../../journal/journal.ts'
import {
  endProgress,
  newProgress,
  type LabProgress,
  readProgress,
  stepProgress,
  type StepProgress,
  updateProgress,
  writeProgress,
} from './progress.ts'
import { flagsFor, type Host } from '../../kernel/host.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import type { Lab, LabStep } from '../format/lab.ts'
import { isLabPath } from '../format/lab-name.ts'
import { refuseBinds } from '../../sandbox/binds.ts'
import { ownSandbox } from '../../sandbox/find.ts'
import { HOST, INTERNET, type Link, type State, UPLINK } from '../../state/state.ts'
import { type LabCheckResult, checkLab, isShown, type StepState } from './check.ts'
import { doPlan } from '../../engine/do.ts'
import { lostGroundOf } from './ground.ts'
import { loadLab } from './load.ts'
import { doStep, planOf, type StepOptions, type StepPlan, type StepResult } from './steps.ts'

/** A lab that somebody is working on, in a sandbox or on the machine, and how far they have come. */
export interface RunningLab {
  kernel: Kernel
  lab: Lab
  progress: LabProgress
}

/** The lab that runs on a host; undefined if none does. Throws CnilabError `usage` if its file can no longer be read. */
export async function runningLab(kernel: Kernel): Promise<RunningLab | undefined> {
  const progress = readProgress(kernel.host)
  return progress && { kernel, lab: await loadAgain(progress, flagsFor(kernel.host)), progress }
}

/** Loads the lab of this progress again from its file, which may have changed or be gone. */
async function loadAgain({ lab, set }: LabProgress, flags: string): Promise<Lab> {
  try {
    return await loadLab(lab, set)
  } catch (error) {
    if (!(error instanceof CnilabError)) throw error
    throw new CnilabError(error.kind, error.message, {
      fix: `fix the lab's file, or end the lab: cnilab lab stop${flags}`,
    })
  }
}

/** The lab that runs in the sandbox of this name, which need not exist; else the lab called `otherwise`. */
export async function labOf(place: { name: string }, otherwise: string): Promise<Lab> {
  const progress = readProgress(ownSandbox() ?? place)
  return loadLab(progress?.lab ?? otherwise, progress?.set ?? [])
}

/** Like `runningLab`, but throws CnilabError `state` if none runs. */
export async function requireLab(kernel: Kernel): Promise<RunningLab> {
  const running = await runningLab(kernel)
  if (running) return running
  const flags = flagsFor(kernel.host)
  throw new CnilabError('state', 'no lab is running here', {
    fix: `cnilab lab start eight-steps${flags}; cnilab lab list names the others`,
  })
}

/** The name that is recorded: a path becomes absolute, as it will be read from other directories. */
const noted = (name: string) => (isLabPath(name) ? resolve(name) : name)

/** Whether this is the running lab's name. */
export function isNamed({ lab, progress }: RunningLab, name: string): boolean {
  return progress.lab === noted(name) || lab.id === name
}

/** Records that a lab begins, whatever the network is like. `name` is the lab's name, or its file's path. */
export function beginLab(kernel: Kernel, lab: Lab, name: string, set: readonly string[]): RunningLab {
  refuseBinds(kernel.host)
  const progress = newProgress(noted(name), set)
  writeProgress(kernel.host, progress)
  return { kernel, lab, progress }
}

/**
 * Starts a lab on a host: creates its starting state. Throws CnilabError `state` if a lab is already running there, or there
 * is another network, and as `doPlan` does.
 */
export async function startLab(kernel: Kernel, name: string, set: readonly string[]): Promise<RunningLab> {
  const lab = await loadLab(name, set) // first, as it may be faulty
  return exclusively(kernel.host, () => startExclusively(kernel, lab, name, set))
}

async function startExclusively(kernel: Kernel, lab: Lab, name: string, set: readonly string[]): Promise<RunningLab> {
  const { host } = kernel
  refuseOccupied(host, await kernel.read())
  const running = beginLab(kernel, lab, name, set)
  try {
    await doPlan(kernel, lab.start)
  } catch (error) {
    endProgress(host)
    throw error
  }
  return running
}

/** Throws CnilabError `state` if a lab is running on the host, or cnilab made a network there; given its state, any network. */
export function refuseOccupied(host: Host, now?: State): void {
  const flags = flagsFor(host)
  const other = readProgress(host)
  if (other)
    throw new CnilabError('state', `the lab ${other.lab} is already running here`, {
      fix: `cnilab lab start --resume${flags} continues it, cnilab lab stop${flags} ends it; --sandbox with another name starts one in parallel`,
    })
  if (readJournal(host).length > 0 || (now && host.kind === 'sandbox' && !isBare(now)))
    throw new CnilabError('state', 'there is already a network here', {
      fix:
        host.kind === 'machine'
          ? 'cnilab clean --host'
          : `cnilab sandbox delete ${host.name}, or --sandbox with another name`,
    })
}

/** Whether a sandbox holds only what it started with. */
export function isBare(now: State): boolean {
  const links = now.get(HOST)?.links ?? []
  const isOwn = (link: Link) => link.name === 'lo' || link.name === UPLINK.ifname
  return links.every(isOwn) && [...now.keys()].every((name) => name === HOST || name === INTERNET)
}

/** Changes the progress. Throws CnilabError `state` if the lab was ended meanwhile, from another terminal, say. */
async function update(running: RunningLab, change: (progress: LabProgress) => void): Promise<void> {
  const { host } = running.kernel
  const progress = await updateProgress(host, running.progress.started, change)
  if (!progress) throw ended(running)
  running.progress = progress
}

function ended({ lab, kernel }: RunningLab): CnilabError {
  return new CnilabError('state', `the lab ${lab.id} was ended in the meantime`, {
    fix: `cnilab lab start ${lab.id}${flagsFor(kernel.host)} starts it again`,
  })
}

/** Whether the lab is still running: it may have been ended from another terminal. */
export function isRunning({ kernel, progress }: RunningLab): boolean {
  return readProgress(kernel.host)?.started === progress.started
}

/** Throws CnilabError `state` if the lab was ended meanwhile. */
export function requireRunning(running: RunningLab): void {
  if (!isRunning(running)) throw ended(running)
}

/** Records something about a step. Throws CnilabError `state` if the lab was ended meanwhile. */
export function noteStep(running: RunningLab, step: LabStep, what: Partial<StepProgress>): Promise<void> {
  return update(running, (progress) => {
    progress.steps[step.id] = { ...stepProgress(progress, step.id), ...what }
  })
}

/** Records that a hint of a step was shown; `further`: how much further it is than the last one. */
export function noteHint(running: RunningLab, step: LabStep, further: number): Promise<void> {
  return update(running, (progress) => {
    const own = stepProgress(progress, step.id)
    progress.steps[step.id] = { ...own, hints: Math.min(own.hints + further, step.hints.length) }
  })
}

/** Forgets that some steps are done or skipped. Hints taken, solutions seen and questions answered stay on record. */
export function forgetSteps(running: RunningLab, steps: readonly LabStep[]): Promise<void> {
  return update(running, (progress) => {
    for (const { id } of steps) {
      const { done: _, ...rest } = stepProgress(progress, id)
      progress.steps[id] = { ...rest, skipped: false }
    }
  })
}

/** Records that the program has done these steps. */
export function noteSolved(running: RunningLab, steps: readonly LabStep[]): Promise<void> {
  const done = new Date().toISOString()
  return update(running, (progress) => {
    for (const { id } of steps) progress.steps[id] = { ...stepProgress(progress, id), done, solved: true }
  })
}

/**
 * Checks the lab, as far as the learner has ever come, and at least to the step `upTo`, and records what is done. Unless
 * `patient`, no check waits for long. Throws CnilabError `state` if the lab was ended meanwhile.
 */
export async function checkRunning(running: RunningLab, patient = true, upTo?: LabStep): Promise<LabCheckResult> {
  const { kernel, lab } = running
  const latest = readProgress(kernel.host) // others may have written since
  if (latest?.started !== running.progress.started) throw ended(running)
  running.progress = latest
  const reached = lab.steps.findLastIndex(({ id }) => stepProgress(latest, id).done !== undefined)
  const checked = await checkLab(kernel, lab, Math.max(reached, upTo ? lab.steps.indexOf(upTo) : -1), patient)
  const isPast = ({ step, status }: StepState) => status === 'done' || stepProgress(latest, step.id).skipped
  const fresh = checked.steps.filter(
    ({ step, status }, at) =>
      status === 'done' &&
      stepProgress(latest, step.id).done === undefined &&
      (isShown(step) || checked.steps.slice(0, at).every(isPast)),
  )
  const done = new Date().toISOString()
  if (fresh.length > 0)
    await update(running, (progress) => {
      for (const { step } of fresh) progress.steps[step.id] = { ...stepProgress(progress, step.id), done }
    })
  return checked
}

/** Records that steps which are done were done again, on a host that was emptied or is another one. */
export function noteRebuilt(running: RunningLab, steps: readonly LabStep[]): Promise<void> {
  const done = new Date().toISOString()
  return update(running, (progress) => {
    for (const { id } of steps) {
      const own = stepProgress(progress, id)
      if (own.done !== undefined) progress.steps[id] = { ...own, done }
    }
  })
}

/** The steps that were done on this host, whether they still are: a sandbox that was made anew has nothing of them. */
export function reachedSteps({ lab, progress }: RunningLab, { now }: LabCheckResult): LabStep[] {
  const birth = now.get(INTERNET)?.since ?? 0
  return lab.steps.filter(({ id }) => {
    const { done } = stepProgress(progress, id)
    return done !== undefined && Date.parse(done) >= birth
  })
}

/** The plan for a step of a running lab, after those in `first`, from a check of it. */
export function planFor(
  running: RunningLab,
  step: LabStep,
  first: readonly LabStep[],
  checked: LabCheckResult,
): StepPlan {
  const plan = planOf(running.lab, step, first, reachedSteps(running, checked), checked.now)
  return { ...plan, operations: [...lostGroundOf(checked.findings), ...plan.operations] }
}

/**
 * Brings the network to the end of a step, after those in `first`, whatever it is like, and checks it. Records the steps that
 * were not done yet as solved by the program. Throws as `mendPlan` does.
 */
export async function doRunning(
  running: RunningLab,
  step: LabStep,
  first: readonly LabStep[],
  before: LabCheckResult,
  options: StepOptions = {},
): Promise<StepResult> {
  const plan = planFor(running, step, first, before)
  const result = await doStep(running.kernel, step, plan, before, () => checkRunning(running, true, step), options)
  const open = new Set(before.steps.flatMap((state) => (state.status === 'done' ? [] : [state.step])))
  for (const one of plan.steps) if (open.has(one)) await noteStep(running, one, { solved: true })
  return result
}
