import { type LabCheckResult, isDone } from '../../lab/run/check.ts'
import { missingSteps, resultByHand, type StepResult, wantedRuns } from '../../lab/run/steps.ts'
import { doRunning, isRunning, noteStep, reachedSteps, type RunningLab } from '../../lab/run/lab-in-progress.ts'
import { tryBefore } from '../../lab/run/automatic.ts'
import { show, formatError } from '../terminal/error.ts'
import { noteGivingUp } from './exam.ts'
import { findingLine } from './findings.ts'
import { showHint, showFailureHints } from './hint.ts'
import { showIntro } from './lab-intro.ts'
import { markdown } from '../terminal/markdown.ts'
import { type Choice, askChoice } from '../terminal/prompts.ts'
import { stepText } from './describe-step.ts'
import { showIptables, showLines } from './show-description.ts'
import { askQuestions } from './questions.ts'
import { showPicture, showPurpose, showResult } from './show-lab.ts'
import { stepProgress } from '../../lab/run/progress.ts'
import { hidesSolution, type Lab, type LabStep } from '../../lab/format/lab.ts'
import { bindOperation } from '../../operations/registry.ts'
import { programLine, toLine } from '../../plan/command-line.ts'
import { indented } from '../terminal/layout.ts'
import { style } from '../terminal/style.ts'
import { draw, linesOf } from '../terminal/text.ts'
import { picture } from '../../picture/topology.ts'
import { REMOVE_FOREIGN, showInTheWay } from './solve.ts'
import { typeInShell } from './take-step.ts'
import type { View } from '../terminal/view.ts'
import { checkNow } from './checking.ts'
import { whileWaiting } from '../terminal/waiting.ts'

/** A tour of a lab with a learner on a terminal. `signal` ends it from outside. */
interface Tour {
  running: RunningLab
  view: View
  signal: AbortSignal
}

/** How a tour ended: at the end of the lab, or because the learner left it. */
export type TourEnd = 'finished' | 'left'

/**
 * Goes through the steps of a lab with a learner, from the first one that is not done. Nothing advances by itself: each step
 * waits until the program or the learner has done it, and the kernel says whether it is done.
 */
export async function takeTour(running: RunningLab, view: View, signal: AbortSignal): Promise<TourEnd> {
  const { lab, progress } = running
  const tour = { running, view, signal }
  let checked = await checkNow(running, view)
  const isResumed = Object.keys(progress.steps).length > 0
  if (isResumed) view.log(draw`${style.title(lab.title)}: continuing where you were`)
  else {
    showIntro(lab, view)
    if (isLowFor(lab, checked, view) && !(await turnPage(tour))) return 'left'
  }
  for (const step of lab.steps) {
    if (isDone(step, checked.steps) || (isResumed && stepProgress(progress, step.id).skipped)) continue
    const after = await takeTourStep(tour, step, checked)
    if (!after) return 'left'
    checked = after
  }
  return 'finished'
}

/** Works on one step until it is done or skipped. Returns the result of a check; undefined if the learner left. */
async function takeTourStep(tour: Tour, step: LabStep, start: LabCheckResult): Promise<LabCheckResult | undefined> {
  const { running, view, signal } = tour
  const { lab, kernel } = running
  view.log('')
  showPurpose(lab, step, view)
  view.log('')
  showPicture(undefined, start.now, step.focus, view)
  if (!(await askQuestions(running, step, 'before', view, signal))) return undefined
  if (start.findings.every((finding) => finding.passed !== false || finding.step === step.id)) {
    if (step.before.length > 0) view.log('\nBefore this step:')
    const tried = await whileWaiting('trying it out', view.plain, tryBefore(kernel, step, start.now))
    for (const finding of tried) view.log(findingLine(finding, view.plain))
  }
  await showWork(running, step, view)
  let checked = start
  for (;;) {
    const choice = await askChoice('What now?', choicesFor(step, tour), { plain: view.plain, signal })
    switch (choice) {
      case undefined:
      case 'quit':
        return undefined
      case 'run':
        await noteGivingUp(running, [step])
        if (!(await runForMe(tour, step))) continue
        break
      case 'type':
        if (!(await typeMyself(tour, step, checked))) {
          checked = await checkNow(running, view)
          continue
        }
        break
      case 'hint':
        checked = await checkNow(running, view)
        if (isDone(step, checked.steps) && (await report(tour, step, resultByHand(step, start, checked)))) break
        await showHint(running, step, checked, view, `choose '${RUN_IT}', or 'show me' if the menu has that`)
        continue
      case 'more':
        showMore(lab, step, view)
        continue
      case 'skip':
        await noteStep(running, step, { skipped: true })
        return checkNow(running, view)
    }
    if (!(await askQuestions(running, step, 'after', view, signal))) return undefined
    if (!(await goOn(tour, step))) return undefined
    return checkNow(running, view)
  }
}

/** Lines of the choices at a step, and of the blank lines around its parts. */
const CHOICES = 14

/** Whether the terminal is too low for the introduction of a lab together with its first step. */
function isLowFor(lab: Lab, { now }: LabCheckResult, { plain }: View): boolean {
  const texts = [lab.text, lab.steps[0]?.text ?? ''].map((text) => linesOf(markdown(text, plain)).length)
  const lines = texts.reduce((sum, count) => sum + count, picture(now, plain).length + CHOICES)
  return process.stdout.isTTY && process.stdout.rows < lines
}

/** Waits until the learner has read a page. Returns false if they quit. */
async function turnPage({ view, signal }: Tour): Promise<boolean> {
  const choices: Choice<boolean>[] = [
    { name: 'to the first step', value: true },
    { name: 'quit', value: false },
  ]
  return (await askChoice('Have you read it?', choices, { plain: view.plain, signal })) === true
}

type Work = 'run' | 'type' | 'hint' | 'more' | 'skip' | 'quit'

function choicesFor(step: LabStep, { running }: Tour): Choice<Work>[] {
  const { hints } = stepProgress(running.progress, step.id)
  const hint =
    step.hints.length === 0 ? 'hint' : `hint (${Math.min(hints, step.hints.length)} of ${step.hints.length} seen)`
  return [
    { name: running.lab.exam ? GIVE_UP : step.free ? 'show me: run a solution' : RUN_IT, value: 'run' },
    { name: "I'll type it", value: 'type' },
    { name: hint, value: 'hint' },
    { name: 'explain more', value: 'more' },
    { name: 'skip', value: 'skip' },
    { name: 'quit', value: 'quit' },
  ]
}

const RUN_IT = 'run it for me'
const GIVE_UP = 'give up: run a solution'

/** Shows the commands of a step, unless the learner has to find them. */
async function showWork({ lab, kernel }: RunningLab, step: LabStep, { log }: View): Promise<void> {
  const commands = hidesSolution(lab, step)
    ? []
    : step.operations.flatMap((operation) => bindOperation(operation).apply)
  const run = lab.exam ? [] : await wantedRuns(kernel, step)
  showLines([...commands.map((command) => toLine(command, '1')), ...run.map(programLine)], log)
}

function showMore(lab: Lab, step: LabStep, { log, plain }: View): void {
  if (step.more !== undefined) log(markdown(step.more, plain))
  if (hidesSolution(lab, step)) {
    if (step.more === undefined) log('There is no more to say without giving away the solution: try a hint.')
    return
  }
  const { explanations, iptables } = stepText(lab, step, plain)
  for (const one of explanations) log(indented(one))
  showIptables(iptables, log)
}

/** Does a step for the learner. Returns whether it is done now. */
async function runForMe({ running, view, signal }: Tour, step: LabStep): Promise<boolean> {
  const before = await checkNow(running, view) // it may have been done from another terminal
  const missing = missingSteps(running.lab, step, before)
  const reached = reachedSteps(running, before)
  const news = missing.filter((one) => !reached.includes(one))
  if (news.length > 0) {
    const names = news.map(({ title }) => `'${title}'`).join(', ')
    const message = `This needs steps that were skipped: ${names}. Do them, too?`
    if ((await askChoice(message, YES_OR_NO, { plain: view.plain, signal })) !== true) return false
  }
  try {
    const doing = `doing step ${step.id}`
    let result = await whileWaiting(doing, view.plain, doRunning(running, step, missing, before))
    if (result.inTheWay.length > 0) {
      const mayRemove = showInTheWay(running, result, view)
      if (mayRemove && (await askChoice(REMOVE_FOREIGN, NO_OR_YES, { plain: view.plain, signal })) === true) {
        const again = doRunning(running, step, [], await checkNow(running, view), { removeForeign: true })
        result = await whileWaiting(doing, view.plain, again)
      }
    }
    return await report({ running, view, signal }, step, result)
  } catch (error) {
    // A refusal of the kernel is something to look into, not the end of the tour.
    const shown = show(error)
    if (shown?.kind !== 'state' || !isRunning(running)) throw error
    view.log(draw`${formatError(shown)}\n`)
    return false
  }
}

const YES_OR_NO: Choice<boolean>[] = [
  { name: 'yes', value: true },
  { name: 'no', value: false },
]
const NO_OR_YES = YES_OR_NO.toReversed()

/** Lets the learner do a step in a shell. Returns whether it is done now. */
async function typeMyself(tour: Tour, step: LabStep, before: LabCheckResult): Promise<boolean> {
  const { running, view } = tour
  await typeInShell(running.kernel, step, view)
  return report(tour, step, resultByHand(step, before, await checkNow(running, view)))
}

async function report({ running, view }: Tour, step: LabStep, result: StepResult): Promise<boolean> {
  if (isDone(step, result.steps)) {
    showResult(step, result, view)
    return true
  }
  await showFailureHints(running, await checkNow(running, view), view)
  view.log(style.warn('Not yet. Look again, take a hint, or have it run for you.'))
  return false
}

/** Waits until the learner wants to continue; meanwhile they may look around. Returns false if they quit. */
async function goOn(tour: Tour, step: LabStep): Promise<boolean> {
  const { running, view, signal } = tour
  const isLast = running.lab.steps.at(-1) === step
  for (;;) {
    const choice = await askChoice(
      isLast ? 'That was the last step.' : 'Done.',
      [
        { name: isLast ? 'to the summary' : 'next step', value: 'next' },
        { name: 'look around in a shell', value: 'shell' },
        { name: 'quit', value: 'quit' },
      ] as const,
      { plain: view.plain, signal },
    )
    if (choice === 'next') return true
    if (choice !== 'shell') return false
    await typeInShell(running.kernel, step, view)
  }
}
