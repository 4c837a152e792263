import { type LabCheckResult, isDone } from '../../lab/run/check.ts'
import { helpWith, trueHints } from '../../lab/run/help.ts'
import { noteHint, type RunningLab } from '../../lab/run/lab-in-progress.ts'
import { stepProgress } from '../../lab/run/progress.ts'
import type { LabStep } from '../../lab/format/lab.ts'
import { showFailure } from './findings.ts'
import { style } from '../terminal/style.ts'
import { labelled, wrapped } from '../terminal/layout.ts'
import { markdown } from '../terminal/markdown.ts'
import type { View } from '../terminal/view.ts'

/**
 * Shows what is wrong, and the next hint that is true now; after the last one, how to get the `solution`. Records which was
 * taken. Returns its number, from 1; 0 if there is none.
 */
export async function showHint(
  running: RunningLab,
  step: LabStep,
  checked: LabCheckResult,
  view: View,
  solution: string,
): Promise<number> {
  const { lab, kernel, progress } = running
  const { log, plain } = view
  log(style.title(`Step ${lab.steps.indexOf(step) + 1}: ${step.title}`))
  if (isDone(step, checked.steps)) {
    log('This step is done.')
    return 0
  }
  await showFailureHints(running, checked, view)
  const hints = await trueHints(kernel, step, checked)
  const { hints: taken } = stepProgress(progress, step.id)
  const next = hints.find(({ number }) => number > taken)
  const shown = next ?? hints.at(-1)
  if (shown) log(markdown(hintText(step, shown.number), plain))
  if (!next) {
    const why =
      step.hints.length === 0
        ? 'This step has no hints.'
        : shown
          ? 'That was the last hint.'
          : 'No hint of this step fits what is there now.'
    log(wrapped(`${why} The solution: ${solution}`))
  }
  if (next) await noteHint(running, step, next.number - taken)
  return shown?.number ?? 0
}

/** The hint with this number, from 1, as Markdown. */
export function hintText({ hints }: LabStep, number: number): string {
  return `**Hint ${number} of ${hints.length}:** ${hints[number - 1]}`
}

/** Shows the first failure, the lab's hints for exactly that which are true now, and what else is known. */
export async function showFailureHints(
  { lab, kernel }: Pick<RunningLab, 'lab' | 'kernel'>,
  checked: LabCheckResult,
  view: View,
): Promise<void> {
  const { failure, texts, known } = await helpWith(kernel, lab, checked)
  if (!failure) return
  showFailure(failure, view)
  showKnown(known, view)
  for (const text of texts) view.log(markdown(text, view.plain))
}

/** Shows what is known of a failure beyond what was expected. */
function showKnown(known: readonly string[], { log }: View): void {
  for (const [i, one] of known.entries()) log(labelled(i === 0 ? '    known:    ' : '              ', one))
}
