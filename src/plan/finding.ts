import type { Resource } from '../operations/operation.ts'
import type { Derived } from '../operations/registry.ts'
import type { State } from '../state/state.ts'
import { toArgv } from './command-line.ts'

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

/** How `actual` begins where something could not be tried here at all; that is no mistake, and nothing is missing. */
export const NOT_TRIED = 'not tried'

/** What earlier findings provide, and whether they passed: what depends on a failed one is skipped. */
export interface Dependencies {
  /** The findings that bring what is needed. */
  on: (needs: readonly Resource[]) => string[]
  /** Whether all of these passed. */
  hold: (ids: readonly string[]) => boolean
  add: (id: string, passed: boolean | null, provides: readonly Resource[]) => void
}

/** No findings yet. */
export function dependencies(): Dependencies {
  const providers = new Map<Resource, string[]>()
  const verdicts = new Map<string, boolean | null>()
  return {
    on: (needs) => [...new Set(needs.flatMap((need) => providers.get(need) ?? []))],
    hold: (ids) => ids.every((id) => verdicts.get(id) === true),
    add: (id, passed, provides) => {
      for (const provided of provides) providers.set(provided, [...(providers.get(provided) ?? []), id])
      verdicts.set(id, passed)
    },
  }
}

/**
 * Judges operations against a state, in their order; what depends on a failed one, of those `before`, too, is skipped,
 * so one mistake is one red line.
 */
export function toFindings(
  operations: readonly Derived[],
  now: State,
  step?: string,
  before: Dependencies = dependencies(),
): Finding[] {
  return operations.map((operation) => {
    const dependsOn = before.on(operation.needs)
    const verdict = operation.judge(now)
    const passed = verdict.status === 'present' ? true : before.hold(dependsOn) ? false : null
    before.add(operation.id, passed, operation.provides)
    return {
      id: operation.id,
      step: step ?? operation.step,
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
