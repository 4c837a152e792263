import type { RunningLab } from '../../lab/run/lab-in-progress.ts'
import { stepProgress } from '../../lab/run/progress.ts'
import { failureHints } from '../../lab/format/hints.ts'
import type { Lab, LabStep } from '../../lab/format/lab.ts'
import type { Finding } from '../../plan/finding.ts'
import { showFailure } from './findings.ts'
import { style } from '../terminal/style.ts'
import { wrapped } from '../terminal/layout.ts'
import { markdown } from '../terminal/markdown.ts'
import type { View } from '../terminal/view.ts'

/**
 * Shows what is wrong, and the next hint; after the last one, how to get the `solution`. Returns how many of the step's hints
 * have been shown.
 */
export function showHint(
  { lab, progress }: RunningLab,
  step: LabStep,
  findings: readonly Finding[],
  view: View,
  solution: string,
): number {
  const { log, plain } = view
  log(style.title(`Step ${lab.steps.indexOf(step) + 1}: ${step.title}`))
  showFailureHints(lab, findings, view)
  const { hints } = stepProgress(progress, step.id)
  const number = Math.min(hints + 1, step.hints.length)
  if (number > 0) log(markdown(hintText(step, number), plain))
  if (hints >= step.hints.length)
    log(
      wrapped(
        `${step.hints.length === 0 ? 'This step has no hints.' : 'That was the last hint.'} The solution: ${solution}`,
      ),
    )
  return number
}

/** The hint with this number, from 1, as Markdown. */
export function hintText({ hints }: LabStep, number: number): string {
  return `**Hint ${number} of ${hints.length}:** ${hints[number - 1]}`
}

/** Shows the first failure, and the lab's hints for exactly that. */
export function showFailureHints(lab: Lab, findings: readonly Finding[], view: View): void {
  const [first] = findings.filter(({ passed }) => passed === false)
  if (!first) return
  showFailure(first, view)
  const step = lab.steps.find(({ id }) => id === first.step)
  for (const text of step ? failureHints(step, findings) : []) view.log(markdown(text, view.plain))
}
