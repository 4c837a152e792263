import type { Kernel } from '../kernel/kernel.ts'
import type { Operation } from '../operations/registry.ts'
import { doPlan, type DoResult, type Known } from './do.ts'

/** So often what mending removed is made again: a cable that another operation had put to use. */
const MOST = 3

/**
 * Does a plan, from any state: what is absent is done, what is something else is changed, or removed and made anew.
 * Repeatable. In a sandbox all is the user's to change; on the machine only what bears our mark. Throws as `doPlan` does,
 * for what is in the way and must stay.
 */
export async function mendPlan(kernel: Kernel, plan: readonly Operation[], known: Known = {}): Promise<DoResult> {
  let result = await doPlan(kernel, plan, { ...known, mend: true })
  for (let times = 1; times < MOST && result.done.some(({ status }) => status === 'mended'); times++) {
    // What was in the way may have carried what an earlier operation had found in place.
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
