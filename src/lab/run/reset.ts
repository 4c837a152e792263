import { CnilabError } from '../../errors.ts'
import { exclusively } from '../../journal/exclusively.ts'
import { endEntries, readJournal } from '../../journal/journal.ts'
import { endProgress, stepProgress, writeProgress } from './progress.ts'
import { flagsFor, type Host } from '../../kernel/host.ts'
import { type Kernel, kernelOf } from '../../kernel/kernel.ts'
import type { LabStep } from '../format/lab.ts'
import { findSandbox } from '../../sandbox/open.ts'
import { removeSandbox } from '../../sandbox/remove.ts'
import { restoreSandbox } from '../../sandbox/restore.ts'
import { doPlan } from '../../engine/do.ts'
import { runCommands } from './steps.ts'
import { type LabCheckResult, currentStep, isDone } from './check.ts'
import { checkRunning, forgetSteps, isBare, noteRebuilt, type RunningLab } from './lab-in-progress.ts'
import { undoEntries } from '../../engine/undo.ts'

/**
 * Continues a lab. If its network is gone, because the sandbox is a new one or the machine was rebooted, does the completed
 * steps again.
 */
export async function resumeLab(running: RunningLab): Promise<void> {
  const { kernel, lab, progress } = running
  const { host } = kernel
  writeProgress(host, progress) // in a new sandbox, too
  const isGone = host.kind === 'sandbox' ? isBare(await kernel.read()) : readJournal(host).length === 0
  const done = lab.steps.filter(({ id }) => stepProgress(progress, id).done !== undefined)
  if (isGone)
    return exclusively(host, async () => {
      await rebuild(running, done)
      await noteRebuilt(running, done)
    })
  const { steps } = await checkRunning(running)
  const next = currentStep({ steps })
  if (done.length > 0 && next && !done.some((step) => isDone(step, steps)))
    throw new CnilabError('state', "the lab's network is gone, and there is another one", {
      fix: `cnilab lab reset ${done.at(-1)?.id ?? next.id}${flagsFor(host)} removes that and builds the lab again`,
    })
}

/**
 * Rebuilds the exact state at the start of a step, by default of the lab, whatever was done since. Forgets the progress in
 * that step and those after it. Returns the result of a check. On the machine it removes only what the journal names; throws
 * CnilabError `state` if some of that stays.
 */
export async function resetLab(running: RunningLab, step?: LabStep): Promise<LabCheckResult> {
  const { kernel, lab } = running
  const at = step ? lab.steps.indexOf(step) : 0
  return exclusively(kernel.host, async () => {
    const left = await clear(kernel)
    if (left.length > 0)
      throw new CnilabError('state', `could not remove: ${left.join('; ')}`, {
        fix: 'find out who uses it, then reset again',
      })
    await rebuild(running, lab.steps.slice(0, at))
    await noteRebuilt(running, lab.steps.slice(0, at))
    await forgetSteps(running, lab.steps.slice(at))
    return checkRunning(running)
  })
}

/** Builds the starting state and some steps of a lab on an empty host. */
async function rebuild({ kernel, lab }: RunningLab, steps: readonly LabStep[]): Promise<void> {
  await doPlan(kernel, lab.start)
  for (const { operations, run } of steps) {
    await doPlan(kernel, operations)
    await runCommands(kernel, run)
  }
}

/**
 * Ends the lab on a host, if that still exists: removes its network, from outside a sandbox with the whole sandbox, on the
 * machine with everything that cnilab made there. Forgets its progress unless something stays. Returns what that is, in
 * words.
 */
export async function stopLab(host: Host | undefined, name: string): Promise<string[]> {
  const sandbox = host?.kind === 'sandbox' && !host.inside ? findSandbox(host.name) : undefined
  const left = host && !sandbox ? await exclusively(host, () => clear(kernelOf(host))) : []
  if (left.length === 0) endProgress(host ?? { name }) // first, so that other commands notice
  if (sandbox) await removeSandbox(sandbox)
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
