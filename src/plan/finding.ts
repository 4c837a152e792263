import type { Derived } from '../operations/registry.ts'
import type { State } from '../state/state.ts'
import { toArgv } from './command-line.ts'
import { stepOf } from './steps.ts'

/** The verdict of one check. `passed` null: skipped, because what it depends on failed, or it cannot be judged here. */
export interface Finding {
  /** Stable: `up.red.eth0`. */
  id: string
  /** The id of the step that it belongs to. */
  step: string
  passed: boolean | null
  what: string
  expected: string
  actual: string
  why: string
  /** Commands, as argv arrays, that put it right; empty where there is nothing to run. */
  fix: string[][]
  /** Ids of the findings that must pass before this one can. */
  dependsOn: string[]
}

/** Judges operations against a state, in their order; what depends on a failed one is skipped, so one mistake is one red line. */
export function toFindings(operations: readonly Derived[], now: State, step?: string): Finding[] {
  const providers = new Map<string, string[]>()
  const verdicts = new Map<string, boolean | null>()
  return operations.map((operation) => {
    const dependsOn = [...new Set(operation.needs.flatMap((need) => providers.get(need) ?? []))]
    const verdict = operation.judge(now)
    const skipped = dependsOn.some((id) => verdicts.get(id) !== true)
    const passed = verdict.status === 'present' ? true : skipped ? null : false
    for (const provided of operation.provides)
      providers.set(provided, [...(providers.get(provided) ?? []), operation.id])
    verdicts.set(operation.id, passed)
    return {
      id: operation.id,
      step: step ?? stepOf(operation.operation.kind),
      passed,
      what: operation.explain.what,
      expected: operation.expected,
      actual: verdict.actual,
      why: operation.explain.why,
      fix: passed === true ? [] : operation.apply.map((command) => toArgv(command, '1')),
      dependsOn,
    }
  })
}
