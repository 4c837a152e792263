import type { Finding } from '../../plan/finding.ts'
import { matches } from '../../wildcard.ts'
import type { LabStep } from './lab.ts'

/** The step's hints for exactly these failures. */
export function failureHints(step: LabStep, findings: readonly Finding[]): string[] {
  const failed = findings.filter(({ passed }) => passed === false)
  return step.when
    .filter(({ finding, actual }) =>
      failed.some((one) => matches(finding, one.id) && (actual === undefined || one.actual.includes(actual))),
    )
    .map(({ text }) => text)
}
