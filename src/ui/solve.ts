import type { Checked } from '../engine/check-lab.ts'
import { doStep, type StepResult } from '../engine/lab-steps.ts'
import { checkRunning, note, type RunningLab } from '../engine/running-lab.ts'
import type { LabStep } from '../lab/lab.ts'
import { derive } from '../operations/registry.ts'
import { programLine } from '../plan/command-line.ts'
import { showCommands } from './step-view.ts'
import { style } from './style.ts'
import type { View } from './view.ts'

/** Shows the solution of steps: their commands. */
export function showSolution({ lab }: RunningLab, steps: readonly LabStep[], { log }: View): void {
  for (const step of steps) {
    log(style.title(`The solution of step ${lab.steps.indexOf(step) + 1}: ${step.title}`))
    showCommands(
      step.operations.flatMap((operation) => derive(operation).apply),
      log,
    )
    for (const command of step.run) log(`  $ ${style.command(programLine(command))}\n`)
  }
}

/** Does the last of these steps, after the others, and notes that the learner did not. */
export async function runSolution(
  running: RunningLab,
  steps: readonly LabStep[],
  before: Checked,
): Promise<StepResult | undefined> {
  const last = steps.at(-1)
  if (!last) return undefined
  const result = await doStep(running.kernel, last, steps.slice(0, -1), before, () => checkRunning(running))
  for (const step of steps) note(running, step, { solved: true })
  return result
}

/** Asks somebody on a terminal whether to run it; elsewhere says how. */
export async function askToRun(log: View['log']): Promise<boolean> {
  if (!process.stdin.isTTY || !process.stdout.isTTY) {
    log('Nothing was run: --yes runs it.')
    return false
  }
  const { confirm } = await import('@inquirer/prompts')
  return confirm({ message: 'Run it?', default: false }).catch(() => false)
}
