import wrapAnsi from 'wrap-ansi'
import { type StepResult, type StepState, stepStates } from '../engine/lab-steps.ts'
import type { Lab, LabStep } from '../lab/lab.ts'
import type { Command } from '../operations/operation.ts'
import { derive } from '../operations/registry.ts'
import { toLine } from '../plan/command-line.ts'
import { diff, summarize } from '../state/diff.ts'
import type { State } from '../state/state.ts'
import { findingLine } from './lab-progress.ts'
import { picture } from './picture.ts'
import { mark, style } from './style.ts'

/** How a text is drawn: `plain` without box characters. */
export interface View {
  plain: boolean
  /** What a `cnilab` command needs to act on the same host. */
  flags: string
  log: (line: string) => void
}

const statusMark = { done: mark.done, next: style.warn('▸'), 'not yet': style.quiet('·') }

/** The steps of a lab as a map, and the network as it is. */
export function showMap(lab: Lab, states: readonly StepState[], now: State, { plain, flags, log }: View): void {
  log(style.title(lab.title))
  for (const { step, number, status } of states) {
    log(`${plain ? status.padEnd(7) : statusMark[status]} ${number} ${style.command(step.id.padEnd(13))} ${step.title}`)
    log(style.quiet(indented(firstSentence(step.text))))
  }
  log('')
  for (const line of picture(now, plain)) log(line)
  const next = states.find(({ status }) => status === 'next')
  log(`\n${next ? `next: cnilab step ${next.step.id}${flags}` : 'All steps are done.'}`)
}

/** What a step is for and, unless the learner is to find that out, what it would run. */
export function showStep(lab: Lab, step: LabStep, { log }: Pick<View, 'log'>, withCommands = true): void {
  showPurpose(lab, step, log)
  const derived = step.operations.map(derive)
  log('')
  for (const { explain } of derived) log(indented(`${explain.what}. ${explain.why}`))
  const commands = derived.flatMap((operation) => operation.apply)
  if (withCommands) showCommands(commands, log)
}

/** What a step did: commands, what changed in the kernel, the checks, the picture, and what comes next. */
export function showResult(
  lab: Lab,
  step: LabStep,
  { status, commands, before, after, findings }: StepResult,
  view: View,
): void {
  const { plain, flags, log } = view
  showPurpose(lab, step, log)
  if (status === 'already') log(`\n${mark.already} Already there: nothing to do\n`)
  else showCommands(commands, log)
  showChange(before, after, view)
  for (const finding of findings) log(findingLine(finding))
  const old = new Set(picture(before, plain))
  log('')
  for (const line of picture(after, plain)) log(old.has(line) ? line : style.good(line))
  const next = stepStates(lab, after).find((one) => one.status === 'next')?.step
  log(next ? `\nnext: cnilab step ${next.id}${flags} (${next.title})` : '\nAll steps are done.')
}

/** What a step that was taken back ran, and what changed. */
export function showUndone(step: LabStep, commands: readonly Command[], before: State, after: State, view: View): void {
  view.log(`${mark.done} Taken back: ${step.title}`)
  showCommands(commands, view.log)
  showChange(before, after, view)
}

function showPurpose(lab: Lab, step: LabStep, log: View['log']): void {
  log(style.title(`Step ${lab.steps.indexOf(step) + 1}: ${step.title}`))
  log(wrapped(step.text.trim()))
}

function showCommands(commands: readonly Command[], log: View['log']): void {
  log('')
  if (commands.length === 0) return
  for (const command of commands) log(`  $ ${style.command(toLine(command, '1'))}`)
  log('')
}

/** The difference in the kernel, as `diff` shows it. */
function showChange(before: State, after: State, { log }: View): void {
  const { gone, added } = diff(summarize(before), summarize(after))
  for (const line of gone) log(style.bad(`- ${line}`))
  for (const line of added) log(style.good(`+ ${line}`))
}

function wrapped(text: string, indent = 0): string {
  return wrapAnsi(text, Math.min(process.stdout.columns || 80, 100) - indent)
}

function indented(text: string): string {
  return wrapped(text, 4)
    .split('\n')
    .map((line) => `    ${line}`)
    .join('\n')
}

function firstSentence(text: string): string {
  return /^[^.:]*[.:]/.exec(text)?.[0].replace(/:$/, '.') ?? text
}
