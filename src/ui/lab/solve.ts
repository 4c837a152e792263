import { planFor, type RunningLab } from '../../lab/run/lab-in-progress.ts'
import type { LabCheckResult } from '../../lab/run/check.ts'
import type { LabStep } from '../../lab/format/lab.ts'
import { preview, type StepResult, wantedRuns } from '../../lab/run/steps.ts'
import type { Command } from '../../operations/operation.ts'
import { bindOperation } from '../../operations/registry.ts'
import { programLine, quote, toLine } from '../../plan/command-line.ts'
import { showCommands, showWrong } from './show-lab.ts'
import { labelled, typed, wrapped } from '../terminal/layout.ts'
import { style } from '../terminal/style.ts'
import { draw } from '../terminal/text.ts'
import type { View } from '../terminal/view.ts'
import { whileWaiting } from '../terminal/waiting.ts'

/**
 * Shows what is wrong, and the commands that put it right and solve a step, after those in `first`: what they are depends on
 * the network as it is. Returns them.
 */
export async function showSolution(
  running: RunningLab,
  step: LabStep,
  first: readonly LabStep[],
  before: LabCheckResult,
  { log, plain }: View,
): Promise<readonly Command[]> {
  const { lab, kernel } = running
  const { wrong, corrections, steps } = await whileWaiting(
    'looking at the network',
    plain,
    preview(kernel, planFor(running, step, first, before)),
  )
  showWrong(wrong, log)
  if (corrections.length > 0) {
    if (wrong.length === 0) log(style.title('Again, for what the lab began with'))
    showCommands(corrections, log)
  }
  for (const { step: one, commands } of steps) {
    const isToDo = one === step || first.includes(one)
    if (commands.length === 0 && !isToDo) continue
    const number = lab.steps.indexOf(one) + 1
    log(style.title(`${isToDo ? 'The solution of' : 'Again, for'} step ${number}: ${one.title}`))
    showCommands(commands, log)
    if (commands.length + one.run.length === 0) log('  Nothing more to run: what it makes is there.\n')
    if (isToDo) showRunLines(await wantedRuns(kernel, one), log)
  }
  return [...corrections, ...steps.flatMap(({ commands }) => commands)]
}

/** Shows the commands that do a step where nothing is wrong, whatever the network is like. */
export function showStepCommands(step: LabStep, { log }: Pick<View, 'log'>): void {
  showCommands(
    step.operations.flatMap((operation) => bindOperation(operation).apply),
    log,
  )
  showRunLines(step.run, log)
}

function showRunLines(run: LabStep['run'], log: View['log']): void {
  for (const command of run) log(draw`${typed(programLine(command))}\n`)
}

/**
 * Shows the rules of others that are in the way. Returns whether they may be removed if the user agrees: on the machine,
 * cnilab removes only what it made. With `step`, it says how to agree.
 */
export function showInTheWay(
  { kernel: { host } }: RunningLab,
  { inTheWay }: Pick<StepResult, 'inTheWay'>,
  { log, flags }: View,
  step?: LabStep,
): boolean {
  if (inTheWay.length === 0) return false
  log(style.warn('\nThese rules let packets be dropped, and cnilab did not make them:'))
  for (const { wrong, commands } of inTheWay) {
    log(labelled('  · ', wrong))
    for (const command of commands) log(typed(toLine(command, '1'), 6))
  }
  if (host.kind === 'machine') log('They stay: on the machine itself, cnilab removes only what it made.')
  else if (step)
    log(wrapped(`They stay until you agree: cnilab lab solve ${quote(step.id)} --remove-foreign${flags} removes them.`))
  return host.kind === 'sandbox'
}

/** What to ask before rules of others are removed. */
export const REMOVE_FOREIGN = 'Remove these rules, which cnilab did not make?'

/** Asks the user on a terminal whether to run it; elsewhere says how. */
export async function askToRun({ log, plain }: View): Promise<boolean> {
  if (!process.stdin.isTTY || !process.stdout.isTTY) {
    log('Nothing was run. To run it, add --yes.')
    return false
  }
  const { confirmed } = await import('../terminal/prompts.ts')
  return confirmed('Run it?', false, { plain })
}

/** Asks the user on a terminal whether to remove rules of others. */
export async function askToRemove({ plain }: View): Promise<boolean> {
  const { confirmed } = await import('../terminal/prompts.ts')
  return confirmed(REMOVE_FOREIGN, false, { plain })
}
