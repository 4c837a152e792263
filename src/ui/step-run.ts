import { checkStep, doStep, missingSteps, type StepResult, stepStates, undoStep } from '../engine/lab-steps.ts'
import { CnilabError } from '../errors.ts'
import { exec } from '../kernel/exec.ts'
import { flagsFor, type Host } from '../kernel/host.ts'
import type { Kernel } from '../kernel/kernel.ts'
import type { Lab, LabStep } from '../lab/lab.ts'
import { shellWithPrompt } from './shell.ts'
import { mapDocument, type StepDocument, stepDocument } from './step-document.ts'
import { showMap, showResult, showStep, showUndone, type View } from './step-view.ts'

/** Shows the map of a lab's steps. */
export async function mapOfSteps(kernel: Kernel, lab: Lab, view: View): Promise<StepDocument> {
  const now = await kernel.read()
  const states = stepStates(lab, now)
  showMap(lab, states, now, view)
  return mapDocument(lab, states, kernel.host.name)
}

/** Does a step and shows it. What must come first is done, too, `withMissing` or if somebody on a terminal says so. */
export async function takeStep(
  kernel: Kernel,
  lab: Lab,
  step: LabStep,
  withMissing: boolean,
  view: View,
): Promise<StepDocument> {
  const missing = missingSteps(lab, step, await kernel.read())
  if (missing.length > 0 && !withMissing) await askForMissing(kernel.host, step, missing)
  return report(kernel, lab, step, await doStep(kernel, step, missing), view)
}

/** Has the learner do a step in a shell on the host, and checks what came of it. */
export async function takeStepByHand(kernel: Kernel, lab: Lab, step: LabStep, view: View): Promise<StepDocument> {
  const before = await kernel.read()
  showStep(lab, step, view, false)
  view.log('\nType the commands for it in this shell, and leave the shell with exit.\n')
  const { argv, env } = shellWithPrompt(`${kernel.host.name}: ${step.id}`)
  await exec(kernel.host, undefined, argv, env)
  return report(kernel, lab, step, await checkStep(kernel, step, before), view)
}

/** Takes back the last step that is done. Throws CnilabError `state` if none is. */
export async function undoLastStep(kernel: Kernel, lab: Lab, view: View): Promise<StepDocument> {
  const before = await kernel.read()
  const last = stepStates(lab, before).findLast(({ status }) => status === 'done')?.step
  if (!last) throw new CnilabError('state', 'no step is done yet', { fix: `cnilab step${view.flags}` })
  const commands = await undoStep(kernel, last)
  const after = await kernel.read()
  showUndone(last, commands, before, after, view)
  return stepDocument(lab, last, 'undone', kernel.host.name, { commands, before, after, findings: [] })
}

function report(kernel: Kernel, lab: Lab, step: LabStep, result: StepResult, view: View): StepDocument {
  showResult(lab, step, result, view)
  if (result.findings.some(({ passed }) => passed === false)) process.exitCode = 1
  return stepDocument(lab, step, result.status, kernel.host.name, result)
}

/** Asks on a terminal whether the steps that must come first may be done; elsewhere refuses, and names the flag. */
async function askForMissing(host: Host, step: LabStep, missing: readonly LabStep[]): Promise<void> {
  const names = missing.map(({ id, title }) => `${id} (${title})`).join(', ')
  const message = `step ${step.id} needs ${missing.length === 1 ? 'an earlier step' : 'earlier steps'} first: ${names}`
  if (process.stdin.isTTY && process.stdout.isTTY) {
    const { confirm } = await import('@inquirer/prompts')
    if (await confirm({ message: `${message}. Do that, too?`, default: true }).catch(() => false)) return
  }
  throw new CnilabError('state', message, { fix: `cnilab step ${step.id} --with-missing${flagsFor(host)}` })
}
