import { type BoundOperation, bindOperation } from '../operations/registry.ts'
import type { State } from '../state/state.ts'

/**
 * Adds to a plan the operations that must come first, so that it breaks nothing of others. Also returns the state, which it
 * reads again if those need more of it.
 */
export async function withFirst(
  operations: readonly BoundOperation[],
  now: State,
  read: (operations: readonly BoundOperation[]) => Promise<State>,
): Promise<{ operations: readonly BoundOperation[]; now: State }> {
  const complete = (state: State) => operations.flatMap((one) => [...one.first(state).map(bindOperation), one])
  const planned = complete(now)
  if (planned.length === operations.length) return { operations, now }
  const state = await read(planned)
  return { operations: complete(state), now: state }
}
