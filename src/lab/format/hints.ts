import type { Finding } from '../../plan/finding.ts'
import { matches } from '../../wildcard.ts'
import type { LabStep } from './lab.ts'

/** The texts that a step has for its failures: those whose finding failed just so. */
export function failureHints(step: LabStep, findings: readonly Finding[]): string[] {
  const failed = findings.filter(({ passed }) => passed === false)
  return step.when
    .filter(({ finding, actual }) =>
      failed.some((one) => matches(finding, one.id) && (actual === undefined || one.actual.includes(actual))),
    )
    .map(({ text }) => text)
}
