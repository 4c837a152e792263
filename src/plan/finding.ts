import type { Resource } from '../operations/operation.ts'
import type { BoundOperation } from '../operations/registry.ts'
import type { State } from '../state/state.ts'
import { whereabouts } from './cables.ts'
import { toArgv } from './command-line.ts'
import { inOrder } from './order.ts'

/** The outcome of one check. `passed` is null if it was skipped, because a finding that it depends on failed, or it cannot be tried here. */
export interface Finding {
  /** Stable: `up.red.eth0`. */
  id: string
  /** The id of its step. */
  step: string
  passed: boolean | null
  what: string
  expected: string
  actual: string
  why: string
  /** Commands, as argv arrays, that fix it; empty if there is nothing to run. */
  fix: string[][]
  /** Ids of the findings that must pass before this one can. */
  dependsOn: string[]
}

/** How `actual` begins if a check could not be tried here at all, which is not the learner's mistake. */
export const NOT_TRIED = 'not tried'

/** What earlier findings provide, and whether they passed: findings that depend on a failed one are skipped. */
export interface Dependencies {
  /** The ids of the findings that provide these resources. */
  on: (needs: readonly Resource[]) => string[]
  /** Whether all findings with these ids passed. */
  hold: (ids: readonly string[]) => boolean
  add: (id: string, passed: boolean | null, provides: readonly Resource[]) => void
}

/** Starts without any findings. */
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
 * Judges operations against a state, each after those that it depends on. What depends on a failed one, here or in `before`,
 * is skipped, so that one mistake is one red line. `plan` is what they are part of: an end of its cables that is missing in its place may be
 * elsewhere.
 */
export function toFindings(
  operations: readonly BoundOperation[],
  now: State,
  step?: string,
  before: Dependencies = dependencies(),
  plan: readonly BoundOperation[] = [],
): Finding[] {
  return inOrder(operations).map((operation) => {
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
      actual:
        (verdict.status === 'blocked' ? whereabouts(plan, verdict.missing, now)?.words : undefined) ?? verdict.actual,
      why: operation.explain.why,
      fix: passed === true ? [] : operation.apply.map((command) => toArgv(command, '1')),
      dependsOn,
    }
  })
}
