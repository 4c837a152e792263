import { missingSteps, resultByHand, type StepResult, undoStep } from '../../lab/run/steps.ts'
import { doRunning, forgetSteps, reachedSteps, type RunningLab } from '../../lab/run/lab-in-progress.ts'
import { isDone } from '../../lab/run/check.ts'
import { helpWith } from '../../lab/run/help.ts'
import { CnilabError } from '../../errors.ts'
import { exec } from '../../kernel/exec.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import { startInternet } from '../../kernel/packets.ts'
import type { LabStep } from '../../lab/format/lab.ts'
import { markdown } from '../terminal/markdown.ts'
import { shellWithPrompt } from '../terminal/shell.ts'
import { mapDocument, type StepDocument, stepDocument } from './step-document.ts'
import { showMap, showNext, showPurpose, showResult, showStep, showUndone } from './show-lab.ts'
import { showInTheWay } from './solve.ts'
import { firstSentence, fitted, wrapped } from '../terminal/layout.ts'
import { draw } from '../terminal/text.ts'
import type { View } from '../terminal/view.ts'
import { checkNow } from './checking.ts'
import { whileWaiting } from '../terminal/waiting.ts'

/** Checks the lab, and shows the map of its steps, and what comes next. */
export async function mapOfSteps(running: RunningLab, view: View): Promise<StepDocument> {
  const { lab, kernel, progress } = running
  const { steps, now } = await checkNow(running, view)
  showMap(lab, steps, now, view, progress)
  showNext(steps, view)
  return mapDocument(lab, steps, kernel.host.name)
}

/** Does a step and shows it. `missingOnes` says whether to do missing earlier steps, too, to ask on a terminal, or to refuse. */
export async function takeStep(
  running: RunningLab,
  step: LabStep,
  missingOnes: 'do' | 'ask' | 'refuse',
  view: View,
): Promise<StepDocument> {
  const { lab } = running
  const before = await checkNow(running, view)
  const missing = missingSteps(lab, step, before)
  // What was done once, and lost or changed since, is put right without a question.
  const reached = reachedSteps(running, before)
  const news = missing.filter((one) => !reached.includes(one))
  if (news.length > 0 && missingOnes !== 'do') await askForMissing(step, news, missingOnes === 'ask', view)
  const result = await whileWaiting(`doing step ${step.id}`, view.plain, doRunning(running, step, missing, before))
  showPurpose(lab, step, view)
  return report(running, step, result, view)
}

/** Lets the learner do a step in a shell on the host, and checks the result. */
export async function takeStepByHand(running: RunningLab, step: LabStep, view: View): Promise<StepDocument> {
  const { lab, kernel } = running
  const before = await checkNow(running, view)
  showStep(lab, step, view)
  await typeInShell(kernel, step, view)
  const after = await checkNow(running, view)
  const result = resultByHand(step, before, after)
  if (isDone(step, result.steps)) return report(running, step, result, view)
  showResult(step, result, view)
  const { failure, texts } = await helpWith(kernel, lab, after)
  if (failure?.step === step.id) for (const hint of texts) view.log(draw`\n${markdown(hint, view.plain)}`)
  view.log(`\nNot done yet. Try again: cnilab step ${step.id} --by-hand${view.flags}`)
  view.log(`Stuck?        cnilab lab hint${view.flags}`)
  process.exitCode = 1
  return stepDocument(lab, step, result.status, kernel.host.name, result)
}

/** Opens a shell on the host for the learner to do a step. */
export async function typeInShell(kernel: Kernel, step: LabStep, { log }: View): Promise<void> {
  log(
    draw`\n${wrapped('Type the commands in this shell. Leave it with exit, or Ctrl-D, and cnilab checks the kernel.')}\n`,
  )
  const { argv, env } = shellWithPrompt(kernel.host, `${kernel.host.name}, step ${step.id}`)
  await startInternet(kernel.host)
  await exec(kernel.host, undefined, argv, { env })
}

/** Undoes the last step that is done. Throws CnilabError `state` if none is, or if it cannot be undone. */
export async function undoLastStep(running: RunningLab, view: View): Promise<StepDocument> {
  const { lab, kernel } = running
  const before = await checkNow(running, view)
  const last = before.steps.findLast(({ status }) => status === 'done')?.step
  if (!last) throw new CnilabError('state', 'no step is done yet', { fix: `cnilab step${view.flags}` })
  if (last.free)
    throw new CnilabError('state', `nobody knows how step ${last.id} was done, so it cannot be undone`, {
      fix: `cnilab lab reset ${last.id}${view.flags} goes back to its start`,
    })
  const commands = await whileWaiting(`undoing step ${last.id}`, view.plain, undoStep(kernel, last))
  await forgetSteps(running, [last])
  const after = await kernel.read()
  showUndone(last, commands, before.now, after, view)
  const result = { commands, before: before.now, after, findings: [] }
  return stepDocument(lab, last, 'undone', kernel.host.name, result)
}

function report(running: RunningLab, step: LabStep, result: StepResult, view: View): StepDocument {
  const { lab, kernel } = running
  showResult(step, result, view)
  showInTheWay(running, result, view, step)
  showNext(result.steps, view)
  if (
    !isDone(step, result.steps) &&
    (result.inTheWay.length > 0 || result.findings.some(({ passed }) => passed === false))
  )
    process.exitCode = 1
  return stepDocument(lab, step, result.status, kernel.host.name, result)
}

/** Asks on a terminal whether to do the missing steps; elsewhere refuses, and names the flag. */
async function askForMissing(
  step: LabStep,
  missing: readonly LabStep[],
  mayAsk: boolean,
  { flags, plain, log }: View,
): Promise<void> {
  const names = missing.map(({ id, title }) => `${id} (${title})`).join(', ')
  const message = `step ${step.id} needs ${missing.length === 1 ? 'an earlier step' : 'earlier steps'} first: ${names}`
  const fix = `cnilab step ${step.id} --with-missing${flags}`
  const why = missing.map(({ id, text }) => `  ${id}: ${firstSentence(text)}`)
  if (mayAsk && process.stdin.isTTY && process.stdout.isTTY) {
    const { confirmed } = await import('../terminal/prompts.ts')
    log(fitted([message, ...why].join('\n')))
    if (await confirmed(missing.length === 1 ? 'Do it, too?' : 'Do them, too?', true, { plain })) return
    throw new CnilabError('state', `step ${step.id} was not done`, { fix })
  }
  throw new CnilabError('state', [message, ...why].join('\n'), { fix })
}
