import { type Derived, derive } from '../operations/registry.ts'
import type { State } from '../state/state.ts'

/**
 * A plan with what has to be done first, so that it takes nothing away from others; and the state, which is read again
 * where that is about more than was read.
 */
export async function withFirst(
  operations: readonly Derived[],
  now: State,
  read: (operations: readonly Derived[]) => Promise<State>,
): Promise<{ operations: readonly Derived[]; now: State }> {
  const complete = (state: State) => operations.flatMap((one) => [...one.first(state).map(derive), one])
  const planned = complete(now)
  if (planned.length === operations.length) return { operations, now }
  const state = await read(planned)
  return { operations: complete(state), now: state }
}
