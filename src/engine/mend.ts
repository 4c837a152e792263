import type { Kernel } from '../kernel/kernel.ts'
import type { Operation } from '../operations/registry.ts'
import { doPlan, type DoResult, type DoOptions } from './do.ts'

/** How often to run the plan again for what mending removed, such as a cable that another operation had used. */
const MOST = 3

/**
 * Does a plan from any state: does what is absent, and changes or replaces what differs. Idempotent. In a sandbox it may
 * change everything; on the machine only what bears our mark. Throws as `doPlan` does, if something is in the way and must
 * stay.
 */
export async function mendPlan(kernel: Kernel, plan: readonly Operation[], known: DoOptions = {}): Promise<DoResult> {
  let result = await doPlan(kernel, plan, { ...known, mend: true })
  for (let times = 1; times < MOST && result.done.some(({ status }) => status === 'mended'); times++) {
    // Removing what was in the way may have removed what an earlier operation had found in place.
    const again = await doPlan(kernel, plan, { ...known, now: undefined, mend: true })
    if (again.done.every(({ status }) => status === 'already')) break
    result = together(result, again)
  }
  return result
}

function together(first: DoResult, then: DoResult): DoResult {
  const done = first.done.map((one, i) => {
    const more = then.done[i]
    if (!more || more.status === 'already') return one
    return {
      ...more,
      status: one.status === 'already' ? more.status : one.status,
      commands: [...one.commands, ...more.commands],
    }
  })
  return { done, ms: first.ms + then.ms }
}
