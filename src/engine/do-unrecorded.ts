import type { Kernel } from '../kernel/kernel.ts'
import { KernelError } from '../kernel/run.ts'
import { type Command, readResource, type Resource } from '../operations/operation.ts'
import type { BoundOperation } from '../operations/registry.ts'
import type { State } from '../state/state.ts'
import { blame, choose } from './do.ts'
import { undoAll } from './undo.ts'

/**
 * Does operations without a journal, for which names and marks suffice to tell whose things are. Adopts what already exists.
 * All or nothing: if anything goes wrong, it undoes what it did. The caller must hold the lock. `prove` is the last step,
 * which throws if the result does not hold. `mayReplace` says what of others may be replaced, in a state in which it is in the way. Returns a function that undoes everything, in case something later goes wrong.
 * Throws CnilabError `state` before it changes anything if the state refuses, and KernelError if the kernel does.
 */
export async function doUnrecorded(
  kernel: Kernel,
  operations: readonly BoundOperation[],
  now: State,
  prove?: () => Promise<void>,
  mayReplace: (operation: BoundOperation, now: State) => boolean = () => false,
): Promise<() => Promise<void>> {
  const judged = operations.map((operation) => ({ operation, verdict: operation.judge(now) }))
  const mend = (operation: BoundOperation, state: State) => (mayReplace(operation, state) ? operation.mend(state) : [])
  const todo = choose(kernel.host, judged, now, { mend })
  const made = new Set([...todo.keys()].flatMap(({ provides }) => provides))
  const items = judged
    .filter(({ operation }) => todo.has(operation))
    .map(({ operation, verdict }) => ({
      bound: isOnOld(operation, made) ? { ...operation, users: () => [] } : operation,
      before: verdict.status === 'absent' ? verdict.before : {},
    }))
  const undo = async () => void (await undoAll(kernel, items))
  try {
    await runBoth(kernel, [...todo.values()].flat())
    await prove?.()
  } catch (error) {
    const blamed = error instanceof KernelError ? await blame(kernel, error, todo) : error
    await undo()
    throw blamed
  }
  return undo
}

/** Runs the last step of something: if it throws, calls `undo`. */
export async function undoOnError(last: () => void, undo: () => Promise<void>): Promise<void> {
  try {
    last()
  } catch (error) {
    await undo()
    throw error
  }
}

/**
 * Whether it changes an interface that existed before this call. A bridge's ports, say, do not use an address that it did not
 * have until then. (A new bridge's ports were added meanwhile, by somebody who does not take our lock.)
 */
function isOnOld({ needs }: BoundOperation, made: ReadonlySet<Resource>): boolean {
  return needs.some((need) => readResource(need).what === 'link' && !made.has(need))
}

/** Runs rules and links in parallel, as they do not depend on each other. Throws the first error once both have ended. */
async function runBoth(kernel: Kernel, commands: readonly Command[]): Promise<void> {
  const isRule = ({ tool }: Command) => tool === 'nft'
  const parts = [commands.filter((command) => !isRule(command)), commands.filter(isRule)]
  const results = await Promise.allSettled(parts.map((part) => kernel.run(part)))
  const failed = results.find((result) => result.status === 'rejected')
  if (failed) throw failed.reason
}
