import type { Kernel } from '../kernel/kernel.ts'
import { KernelError } from '../kernel/run.ts'
import { type Command, readResource, type Resource } from '../operations/operation.ts'
import type { Derived } from '../operations/registry.ts'
import type { State } from '../state/state.ts'
import { blame, choose } from './do.ts'
import { undoAll } from './undo.ts'

/**
 * Does operations without a journal, where names and marks tell by themselves what is whose: what is there already is
 * adopted. Either all is done or, whatever goes wrong, nothing: then what was done here is undone. The caller holds the
 * lock. `prove` is the last step, which throws if what was done does not hold. Returns what undoes it, should something
 * later go wrong. Throws CnilabError `state` before anything is touched if the state refuses, and KernelError if the
 * kernel does.
 */
export async function doUnrecorded(
  kernel: Kernel,
  operations: readonly Derived[],
  now: State,
  prove?: () => Promise<void>,
): Promise<() => Promise<void>> {
  const judged = operations.map((operation) => ({ operation, verdict: operation.judge(now) }))
  const todo = choose(kernel.host, judged, now)
  const made = new Set([...todo.keys()].flatMap(({ provides }) => provides))
  const items = judged
    .filter(({ operation }) => todo.has(operation))
    .map(({ operation, verdict }) => ({
      derived: isOnOld(operation, made) ? { ...operation, users: () => [] } : operation,
      before: verdict.status === 'absent' ? verdict.before : {},
    }))
  const undo = async () => void (await undoAll(kernel, items))
  try {
    await runBoth(kernel, [...todo.values()].flat())
    await prove?.()
  } catch (error) {
    const blamed = error instanceof KernelError ? await blame(kernel, error, [...todo.keys()]) : error
    await undo()
    throw blamed
  }
  return undo
}

/** The last step of something that was done: if it throws, what was done is undone. */
export async function orUndo(last: () => void, undo: () => Promise<void>): Promise<void> {
  try {
    last()
  } catch (error) {
    await undo()
    throw error
  }
}

/**
 * Whether what it is about was there before this call: a bridge's ports, say, do not use what it did not have until then. (Of
 * a new bridge they came meanwhile, by somebody who does not wait for our lock.)
 */
function isOnOld({ needs }: Derived, made: ReadonlySet<Resource>): boolean {
  return needs.some((need) => readResource(need).what === 'link' && !made.has(need))
}

/** Rules and links do not depend on each other: they are made at the same time. Throws the first error when both ended. */
async function runBoth(kernel: Kernel, commands: readonly Command[]): Promise<void> {
  const isRule = ({ tool }: Command) => tool === 'nft'
  const parts = [commands.filter((command) => !isRule(command)), commands.filter(isRule)]
  const results = await Promise.allSettled(parts.map((part) => kernel.run(part)))
  const failed = results.find((result) => result.status === 'rejected')
  if (failed) throw failed.reason
}
