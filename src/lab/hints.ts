import type { Finding } from '../plan/finding.ts'
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

/** Whether an id of a finding is meant by a pattern, in which `*` stands for anything. */
export function matches(pattern: string, id: string): boolean {
  const [first = '', ...others] = pattern.split('*')
  const last = others.pop()
  if (last === undefined) return pattern === id
  if (!id.startsWith(first)) return false
  // The first place for each part is as good as any later one. (A regular expression would try them all.)
  let at = first.length
  for (const part of others) {
    const found = id.indexOf(part, at)
    if (found < 0) return false
    at = found + part.length
  }
  return id.length - last.length >= at && id.endsWith(last)
}
