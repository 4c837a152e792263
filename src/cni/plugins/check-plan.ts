import type { Kernel } from '../../kernel/kernel.ts'
import { derive, type Derived, type Operation } from '../../operations/registry.ts'
import { toFindings } from '../../plan/finding.ts'
import { narrowScopeOf, type PlanScope } from '../../plan/scope.ts'
import { CODE, CniError } from '../protocol/error.ts'

/** Stands between the differences in the message of an error. */
export const BETWEEN = ' · '

/**
 * Compares a plan with the kernel, of which `scopeOf` tells what to read. Anything else, such as routes of plugins
 * that came later, is no mistake. Throws CniError `differs` with everything that is not as it was made.
 */
export async function checkPlan(
  kernel: Kernel,
  plan: readonly Operation[],
  scopeOf: (operations: readonly Derived[]) => PlanScope = narrowScopeOf,
): Promise<void> {
  const derived = plan.map(derive)
  const now = await kernel.read(scopeOf(derived))
  const failed = toFindings(derived, now).filter(({ passed }) => passed === false)
  if (failed.length === 0) return
  throw new CniError(
    CODE.differs,
    failed.map(({ expected, actual }) => `expected: ${expected}; found: ${actual}`).join(BETWEEN),
    `${failed[0]?.why ?? ''} To put it right: DEL, and then ADD again`,
  )
}
