import type { Kernel } from '../../kernel/kernel.ts'
import { bindOperation, type BoundOperation, type Operation } from '../../operations/registry.ts'
import { toFindings } from '../../plan/finding.ts'
import { narrowScopeOf, type PlanScope } from '../../plan/scope.ts'
import type { State } from '../../state/state.ts'
import { CODE, CniError } from '../protocol/error.ts'

/** Separates the differences in an error message. */
export const BETWEEN = ' · '

/**
 * Compares a plan with the kernel; `scopeOf` says what to read, `isElsewhere` what is done in another way. Ignores everything else, such as routes of later plugins.
 * Throws CniError `differs`, which lists all differences.
 */
export async function checkPlan(
  kernel: Kernel,
  plan: readonly Operation[],
  scopeOf: (operations: readonly BoundOperation[]) => PlanScope = narrowScopeOf,
  isElsewhere: (operation: BoundOperation, now: State) => boolean = () => false,
): Promise<void> {
  const bound = plan.map(bindOperation)
  const now = await kernel.read(scopeOf(bound))
  const failed = toFindings(
    bound.filter((operation) => !isElsewhere(operation, now)),
    now,
  ).filter(({ passed }) => passed === false)
  if (failed.length === 0) return
  throw new CniError(
    CODE.differs,
    failed.map(({ expected, actual }) => `expected: ${expected}; found: ${actual}`).join(BETWEEN),
    `${failed[0]?.why ?? ''} To fix it, DEL and then ADD again`,
  )
}
