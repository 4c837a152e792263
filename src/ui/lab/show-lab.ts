import { currentStep, type StepState } from '../../lab/run/check.ts'
import type { CommandOutput, StepResult } from '../../lab/run/steps.ts'
import type { LabProgress } from '../../lab/run/progress.ts'
import type { Lab, LabStep } from '../../lab/format/lab.ts'
import type { Command } from '../../operations/operation.ts'
import { programLine, toLine } from '../../plan/command-line.ts'
import { diff, summarize } from '../../state/diff.ts'
import type { State } from '../../state/state.ts'
import { findingLine, idWidth } from './findings.ts'
import { markdown } from '../terminal/markdown.ts'
import { picture } from '../../picture/topology.ts'
import { showLines, showStepText } from './show-description.ts'
import { headingOf, stepText } from './describe-step.ts'
import { firstSentence, indented, inRows, labelled, typed } from '../terminal/layout.ts'
import { symbol, withSymbol, style } from '../terminal/style.ts'
import { draw } from '../terminal/text.ts'
import type { View } from '../terminal/view.ts'

/** The status of a step, as a symbol. */
export const statusSymbol = { done: symbol.done, next: style.warn('▸'), 'not yet': style.quiet('·') }

/** About how many lines a picture takes, with what is around it. */
const PICTURE = 14

/** Lines of a map besides the steps and the picture, with the shell's prompt below it. */
const AROUND = 8

/** Shows the steps that are done on as few lines as they take, so that title, task and prompt stay in sight. */
function showDone(steps: readonly StepState[], { plain, log }: View): void {
  const done = steps.filter(({ status }) => status === 'done')
  const names = done.map(({ step: { id } }) => draw`${plain ? 'done' : statusSymbol.done} ${id}`)
  if (names.length > 0) log(inRows(names, plain ? ', ' : '  '))
}

/**
 * Shows the steps of a lab as a map, and the current network. On a low terminal only the next step is described, and those
 * that are done share a line; an outline, after which the task is shown, describes none.
 */
export function showMap(
  lab: Lab,
  steps: readonly StepState[],
  now: State,
  view: View,
  progress: LabProgress | undefined,
  isOutline = false,
): void {
  const { plain, log } = view
  log(style.title(lab.title))
  const rows = process.stdout.isTTY ? process.stdout.rows : Number.POSITIVE_INFINITY
  const isBrief = rows < 3 * steps.length + PICTURE
  const isLow = !isOutline && rows < steps.length + picture(now, plain).length + AROUND
  if (isLow) showDone(steps, view)
  const isDescribed = (status: StepState['status']) => !isOutline && (!isBrief || status === 'next')
  showSteps(lab, isLow ? steps.filter(({ status }) => status !== 'done') : steps, view, progress, isDescribed)
  log('')
  showPicture(undefined, now, [], view)
}

/** Shows steps of a lab, one a line, and what those are for that are to be described. */
export function showSteps(
  lab: Lab,
  steps: readonly StepState[],
  { plain, log }: Omit<View, 'flags'>,
  progress: LabProgress | undefined,
  isDescribed: (status: StepState['status']) => boolean = () => false,
): void {
  const width = idWidth(lab)
  for (const { step, number, status } of steps) {
    const own = progress?.steps[step.id]
    const notes = [
      ...(own?.solved === true ? ['solved for you'] : []),
      ...(own?.gaveUp === true ? ['given up'] : []),
      ...(own?.skipped === true && status !== 'done' ? ['skipped'] : []),
      ...(own && own.hints > 0 ? [`${own.hints} hint${own.hints === 1 ? '' : 's'}`] : []),
    ]
    const note = notes.length === 0 ? '' : style.quiet(` (${notes.join(', ')})`)
    log(
      draw`${plain ? status.padEnd(7) : statusSymbol[status]} ${number} ${style.command(step.id.padEnd(width))}  ${step.title}${note}`,
    )
    if (isDescribed(status)) log(style.quiet(indented(firstSentence(step.text))))
  }
}

/** Shows what a step is for and, unless the learner has to find that out, what it would run. */
export function showStep(lab: Lab, step: LabStep, { log, plain }: Omit<View, 'flags'>): void {
  showStepText(stepText(lab, step, plain), log)
}

/** Shows what a step did: commands, what changed in the kernel, the checks, and the picture. */
export function showResult(
  step: LabStep,
  { status, commands, wrong, runs, before, after, findings }: StepResult,
  view: View,
): void {
  const { log, plain } = view
  if (status === 'already') log(draw`\n${withSymbol(symbol.already, 'Already there: nothing to do', plain)}\n`)
  else if (commands.length > 0) {
    showWrong(wrong, log)
    showCommands(commands, log)
  }
  showRuns(runs, log)
  showChange(before, after, view)
  for (const finding of findings) log(findingLine(finding, plain))
  log('')
  showPicture(before, after, step.focus, view)
}

/** Shows the whole text of the current task, and how to check it. */
export function showTask(lab: Lab, steps: readonly StepState[], view: View): void {
  const { log, flags } = view
  const next = currentStep({ steps })
  log('')
  if (!next) return log('All steps are done.')
  showPurpose(lab, next, view)
  log(`\nCheck it with: cnilab lab check${flags}`)
  if (!lab.exam) log(`Or have it done: cnilab step ${next.id}${flags}`)
}

/** Shows what comes after a step. */
export function showNext(steps: readonly StepState[], { log, flags }: View): void {
  const next = currentStep({ steps })
  log(next ? `\nnext: cnilab step ${next.id}${flags} (${next.title})` : '\nAll steps are done.')
}

/** Shows the commands that undid a step, and what changed. */
export function showUndone(step: LabStep, commands: readonly Command[], before: State, after: State, view: View): void {
  view.log(withSymbol(symbol.done, `Undone: ${step.title}`, view.plain))
  showCommands(commands, view.log)
  showChange(before, after, view)
}

/** Shows a step's title and its text. */
export function showPurpose(lab: Lab, step: LabStep, { log, plain }: Omit<View, 'flags'>): void {
  log(style.title(headingOf(lab, step)))
  log(markdown(step.text, plain))
}

/** Shows what is wrong in the network, one thing a line. */
export function showWrong(wrong: readonly string[], log: View['log']): void {
  if (wrong.length === 0) return
  log(style.title('What is wrong'))
  for (const one of wrong) log(labelled('  · ', one))
}

/** Shows commands, as one would type them. */
export function showCommands(commands: readonly Command[], log: View['log']): void {
  showLines(
    commands.map((command) => toLine(command, '1')),
    log,
  )
}

/** Shows programs that were run, and their output. */
export function showRuns(runs: readonly CommandOutput[], log: View['log']): void {
  for (const { command, output } of runs) {
    log(typed(programLine(command)))
    for (const line of output.split(/\r?\n/)) if (line !== '') log(`  ${line}`)
    log('')
  }
}

/** Shows the network as a picture. Highlights what is new since `before`, or else the lines that name what is in `focus`. */
export function showPicture(before: State | undefined, now: State, focus: readonly string[], view: View): void {
  const old = before && new Set(picture(before, view.plain))
  const isFocus = (line: string) => focus.some((name) => line.split(/[\s:]+/).includes(name))
  for (const line of picture(now, view.plain)) {
    const isNew = old?.has(line) === false
    view.log(isNew || (!old && isFocus(line)) ? style.good(view.plain && isNew ? `${line} (new)` : line) : line)
  }
}

/** Shows what changed in the kernel, like diff(1). */
function showChange(before: State, after: State, { log }: View): void {
  const { gone, added } = diff(summarize(before), summarize(after))
  if (gone.length + added.length > 0) log(style.title('Changed in the kernel'))
  for (const line of gone) log(style.bad(`  - ${line}`))
  for (const line of added) log(style.good(`  + ${line}`))
}
