import type { StepState } from '../../lab/run/check.ts'
import type { Lab } from '../../lab/format/lab.ts'
import type { Finding } from '../../plan/finding.ts'
import type { Text } from '../terminal/drawn.ts'
import { labelled } from '../terminal/layout.ts'
import { symbol, style } from '../terminal/style.ts'
import { draw } from '../terminal/text.ts'
import type { View } from '../terminal/view.ts'

/** A finding on one line. */
export function findingLine({ passed, what, expected, actual }: Finding, plain = false): Text {
  const sign = passed === true ? symbol.done : passed === false ? symbol.failed : symbol.skipped
  const word = passed === true ? 'passed:' : passed === false ? 'FAILED:' : 'skipped:'
  const mark = plain ? word : sign
  // Many checks find what they claim, or what they expect, word for word.
  if (passed === true && actual.toLowerCase() === what.toLowerCase()) return draw`${mark} ${what}`
  if (passed === true && actual === expected) return draw`${mark} ${actual}`
  return draw`${mark} ${what}: ${passed === false ? `expected that ${expected}, but ${actual}` : actual}`
}

/** Shows a failed finding in full: what was expected, what is there, and why that matters. */
export function showFailure({ what, expected, actual, why }: Finding, { plain, log }: View, indent = 0): void {
  const margin = ' '.repeat(indent)
  log(draw`${margin}${plain ? 'FAILED:' : symbol.failed} ${what}`)
  log(labelled(`${margin}    expected: `, expected))
  log(labelled(`${margin}    actual:   `, style.bad(actual)))
  log(style.quiet(labelled(`${margin}    why:      `, why)))
}

/** The columns that the ids of a lab's steps take. */
export function idWidth({ steps }: Pick<Lab, 'steps'>): number {
  return Math.max(...steps.map(({ id }) => id.length))
}

/**
 * Shows the findings of a lab, step by step: passed ones as a count, failed ones in full. `onlyFailed`: leaves out the steps of
 * which none failed.
 */
export function showFindings(
  lab: Lab,
  steps: readonly StepState[],
  findings: readonly Finding[],
  view: View,
  onlyFailed = false,
): void {
  const { plain, log } = view
  for (const { step, number, status } of steps) {
    const own = findings.filter((finding) => finding.step === step.id)
    if (own.length === 0) continue
    const failed = own.filter(({ passed }) => passed === false)
    if (onlyFailed && failed.length === 0) continue
    const passed = own.filter((finding) => finding.passed === true).length
    const sign = failed.length > 0 ? symbol.failed : status === 'done' ? symbol.done : symbol.skipped
    const word = failed.length > 0 ? 'FAILED' : status === 'done' ? 'passed' : 'skipped'
    const count = passed + failed.length === 0 ? 'not yet' : `${passed} of ${own.length} passed`
    const title = draw`${number} ${style.command(step.id.padEnd(idWidth(lab)))}`
    log(draw`${plain ? word.padEnd(7) : sign} ${title}  ${style.quiet(count)}`)
    for (const finding of failed) showFailure(finding, view, 2)
  }
  const failed = findings.filter(({ passed }) => passed === false)
  const done = steps.filter(({ status }) => status === 'done').length
  log(`\n${done} of ${lab.steps.length} steps done, ${failed.length} check${failed.length === 1 ? '' : 's'} failed`)
}
