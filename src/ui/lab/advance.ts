import { currentStep, type LabCheckResult } from '../../lab/run/check.ts'
import type { RunningLab } from '../../lab/run/lab-in-progress.ts'
import type { LabStep } from '../../lab/format/lab.ts'
import { stepProgress } from '../../lab/run/progress.ts'
import { checkNow } from './checking.ts'
import { showPurpose } from './show-lab.ts'
import { showSummary } from './summary.ts'
import type { View } from '../terminal/view.ts'

/** The steps that are recorded as done. */
export function doneSteps({ lab, progress }: RunningLab): LabStep[] {
  return lab.steps.filter(({ id }) => stepProgress(progress, id).done !== undefined)
}

/**
 * Shows what comes after the steps that have just been completed, those not in `earlier`: the next task, or the summary of
 * the lab; nothing if there are none. `mayAsk`: also asks, on a terminal, the questions of those steps and of the next one.
 */
export async function showAdvance(
  running: RunningLab,
  earlier: readonly LabStep[],
  checked: Pick<LabCheckResult, 'steps'>,
  view: View,
  mayAsk: boolean,
): Promise<void> {
  const fresh = doneSteps(running).filter((step) => !earlier.includes(step))
  if (fresh.length === 0) return
  const ask = async (step: LabStep, at: 'before' | 'after') =>
    !mayAsk || (await import('./questions.ts')).askQuestions(running, step, at, view)
  for (const step of fresh) if (!(await ask(step, 'after'))) return
  const next = currentStep(checked)
  if (!next) return showSummary(running, await checkNow(running, view), view)
  view.log('')
  showPurpose(running.lab, next, view)
  await ask(next, 'before')
}

/** Whether somebody on a terminal can be asked. */
export function isOnTerminal(): boolean {
  return process.stdin.isTTY && process.stdout.isTTY
}
