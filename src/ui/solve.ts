import type { Checked } from '../engine/check-lab.ts'
import { doStep, type StepResult } from '../engine/lab-steps.ts'
import { checkRunning, note, type RunningLab } from '../engine/running-lab.ts'
import type { LabStep } from '../lab/lab.ts'
import { derive } from '../operations/registry.ts'
import { programLine } from '../plan/command-line.ts'
import { showCommands, showNext, showResult } from './step-view.ts'
import { style } from './style.ts'
import type { View } from './view.ts'

/**
 * Shows the solution of steps, the last of which was asked for, and runs it `withoutAsking` or if somebody on a terminal
 * says yes. Returns what came of it; undefined if it was only shown.
 */
export async function solve(
  running: RunningLab,
  steps: readonly LabStep[],
  before: Checked,
  withoutAsking: boolean,
  view: View,
): Promise<StepResult | undefined> {
  for (const step of steps) {
    view.log(style.title(`Step ${running.lab.steps.indexOf(step) + 1}: ${step.title}`))
    const commands = step.operations.flatMap((operation) => derive(operation).apply)
    showCommands(commands, view.log)
    for (const command of step.run) view.log(`  $ ${style.command(programLine(command))}\n`)
  }
  const last = steps.at(-1)
  if (!last || !(withoutAsking || (await askToRun(view.log)))) return undefined
  const result = await doStep(running.kernel, last, steps.slice(0, -1), before, () => checkRunning(running))
  for (const step of steps) note(running, step, { solved: true })
  showResult(last, { ...result, commands: [] }, view)
  showNext(result.steps, view)
  if (result.findings.some(({ passed }) => passed === false)) process.exitCode = 1
  return result
}

async function askToRun(log: View['log']): Promise<boolean> {
  if (!process.stdin.isTTY || !process.stdout.isTTY) {
    log('Nothing was run: --yes runs it.')
    return false
  }
  const { confirm } = await import('@inquirer/prompts')
  return confirm({ message: 'Run it?', default: false }).catch(() => false)
}
