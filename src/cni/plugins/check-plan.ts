import type { Kernel } from '../../kernel/kernel.ts'
import { bindOperation, type BoundOperation, type Operation } from '../../operations/registry.ts'
import { toFindings } from '../../plan/finding.ts'
import { narrowScopeOf, type PlanScope } from '../../plan/scope.ts'
import { CODE, CniError } from '../protocol/error.ts'

/** Separates the differences in an error message. */
export const BETWEEN = ' · '

/**
 * Compares a plan with the kernel; `scopeOf` says what to read. Ignores everything else, such as routes of later plugins.
 * Throws CniError `differs`, which lists all differences.
 */
export async function checkPlan(
  kernel: Kernel,
  plan: readonly Operation[],
  scopeOf: (operations: readonly BoundOperation[]) => PlanScope = narrowScopeOf,
): Promise<void> {
  const bound = plan.map(bindOperation)
  const now = await kernel.read(scopeOf(bound))
  const failed = toFindings(bound, now).filter(({ passed }) => passed === false)
  if (failed.length === 0) return
  throw new CniError(
    CODE.differs,
    failed.map(({ expected, actual }) => `expected: ${expected}; found: ${actual}`).join(BETWEEN),
    `${failed[0]?.why ?? ''} To fix it, DEL and then ADD again`,
  )
}
