import type { Finding } from '../../plan/finding.ts'
import { matches } from '../../wildcard.ts'
import type { FailureHint, LabStep } from './lab.ts'

/** The step's hints for exactly these failures, whether or not what they say is true now. */
export function hintsFor(step: LabStep, findings: readonly Finding[]): FailureHint[] {
  const failed = findings.filter(({ passed }) => passed === false)
  return step.when.filter(({ finding, actual }) =>
    failed.some((one) => matches(finding, one.id) && (actual === undefined || one.actual.includes(actual))),
  )
}

/** Their texts. */
export function failureHints(step: LabStep, findings: readonly Finding[]): string[] {
  return hintsFor(step, findings).map(({ text }) => text)
}
