import type { RunningLab } from '../../lab/run/lab-in-progress.ts'
import type { LabStep } from '../../lab/format/lab.ts'
import { bindOperation } from '../../operations/registry.ts'
import { programLine } from '../../plan/command-line.ts'
import { showCommands } from './show-lab.ts'
import { commandLines } from '../terminal/layout.ts'
import { style } from '../terminal/style.ts'
import { draw } from '../terminal/text.ts'
import type { View } from '../terminal/view.ts'

/** Shows the commands that solve some steps. */
export function showSolution({ lab }: RunningLab, steps: readonly LabStep[], { log }: View): void {
  for (const step of steps) {
    log(style.title(`The solution of step ${lab.steps.indexOf(step) + 1}: ${step.title}`))
    showCommands(
      step.operations.flatMap((operation) => bindOperation(operation).apply),
      log,
    )
    for (const command of step.run) log(draw`  $ ${style.command(commandLines(programLine(command)))}\n`)
  }
}

/** Asks the user on a terminal whether to run it; elsewhere says how. */
export async function askToRun({ log, plain }: View): Promise<boolean> {
  if (!process.stdin.isTTY || !process.stdout.isTTY) {
    log('Nothing was run. To run it, add --yes.')
    return false
  }
  const { confirmed } = await import('../terminal/prompts.ts')
  return confirmed('Run it?', false, { plain })
}
