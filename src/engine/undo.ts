import { exclusively } from '../journal/exclusively.ts'
import { endEntries, type JournalEntry } from '../journal/journal.ts'
import type { Host } from '../kernel/host.ts'
import type { Kernel } from '../kernel/kernel.ts'
import { type Before, type Command, inNetns } from '../operations/operation.ts'
import { type BoundOperation, bindPlan } from '../operations/registry.ts'
import { markOf } from '../operations/same-link.ts'
import { findLink, type State } from '../state/state.ts'
import { scopeOf } from '../plan/scope.ts'
import { guardOf } from './guard.ts'
import { describeOwner } from './owner.ts'
import { runRemoval } from './run-removal.ts'

/**
 * The outcome of undoing: the commands that were run; and in words what could not be undone, because the kernel refused or
 * somebody changed it (`left`); what others still use (`kept`); and what others made under a name of ours that is free again.
 */
export interface UndoResult {
  commands: Command[]
  left: string[]
  kept: string[]
  foreign: string[]
}

/** An operation that was done, and the state before it. */
interface Item {
  bound: BoundOperation
  before: Before
}

/**
 * Undoes what the journal says was created, newest first, and never stops at an error. It starts with what belongs to one
 * container; then follows what several may share, if nobody uses it any more. What disappears along with something else
 * needs no separate command. At the end it reads the kernel again to see what is left.
 */
export async function undoEntries(kernel: Kernel, entries: readonly JournalEntry[]): Promise<UndoResult> {
  return exclusively(kernel.host, () => undoExclusively(kernel, entries))
}

/** Like `undoEntries`, for a caller that already holds the host's lock. */
export async function undoExclusively(kernel: Kernel, entries: readonly JournalEntry[]): Promise<UndoResult> {
  const made = entries.filter((entry) => entry.status !== 'adopted')
  const bound = bindPlan(made.map(({ operation }) => operation))
  const items = bound.flatMap((one, i) => {
    const entry = made[i]
    return entry ? [{ entry, before: entry.before, bound: one }] : []
  })
  const { remaining, commands, kept, now, refusals, usersOf } = await undoAll(kernel, items)
  endEntries(
    kernel.host,
    items.filter((item) => !remaining.includes(item)).map(({ entry }) => entry.id),
  )
  return {
    commands,
    left: remaining
      .filter((item) => !kept.includes(item))
      .map((item) => {
        const why = item.bound.altered(item.before, now) ?? refusals.get(item)
        return `${item.bound.expected}${why === undefined ? '' : `, but ${why}`}`
      }),
    kept: kept.map((item) => `${item.bound.expected} (${usersOf(item).join(', ')})`),
    foreign: kernel.host.kind === 'machine' ? foreignAmong(items, remaining, now) : [],
  }
}

/** What others made under the names of interfaces and namespaces of ours that are gone, in words. */
function foreignAmong(items: readonly Item[], remaining: readonly Item[], now: State): string[] {
  const macs = new Set(items.flatMap(({ bound }) => bound.marks.map(({ mac }) => mac)))
  const kept = new Set(remaining.map(({ bound }) => bound.id))
  const foreign = items.flatMap(({ bound: { id, marks, makesNetns, operation } }) => {
    if (kept.has(id)) return []
    const links = marks.filter(({ ifname, netns }) => {
      const link = findLink(now, ifname, netns)
      return link !== undefined && !macs.has(markOf(link))
    })
    const names = links.map(({ ifname, netns }) => `${ifname}${inNetns(netns)}`)
    if (makesNetns !== undefined && now.has(makesNetns)) names.push(`namespace ${makesNetns}`)
    return names.map((name) => `${name} (${describeOwner(operation, now)})`)
  })
  return [...new Set(foreign)]
}

/**
 * Undoes operations, with or without a journal. Returns the commands that were run, the operations that still exist, of which
 * `kept` are in use, and the state at the end.
 */
export async function undoAll<T extends Item>(
  kernel: Kernel,
  done: readonly T[],
): Promise<{
  commands: Command[]
  remaining: T[]
  kept: T[]
  now: State
  refusals: ReadonlyMap<Item, string>
  usersOf: UsersOf
}> {
  const items = done.toReversed()
  const scope = scopeOf(items.map(({ bound }) => bound))
  const commands: Command[] = []
  const refusals = new Map<Item, string>()
  // In a sandbox everything is the user's. On the machine others may have put something into what we made.
  const isMachine = kernel.host.kind === 'machine'
  const usersIn = (now: State) => usersAmong(kernel.host, items, now)
  const isUsed = (item: Item, usersOf: UsersOf) => (item.bound.shared || isMachine) && usersOf(item).length > 0

  const first = await kernel.read(scope)
  const firstUsers = usersIn(first)
  const roots = items.filter((item) => !goesWithAnother(item, items, first, firstUsers))
  const waiting = roots.filter((item) => item.bound.shared || isUsed(item, firstUsers))
  await undoEach(
    kernel,
    roots.filter((item) => !waiting.includes(item)),
    first,
    { commands, refusals },
  )

  // Undoing one may free the next: forwarding when the last rule is gone, a bridge when its last port is.
  let last = await kernel.read(scope)
  let usersOf = usersIn(last)
  for (let used = waiting; used.length > 0;) {
    const free = used.filter((item) => !isUsed(item, usersOf))
    if (free.length === 0) break
    await undoEach(kernel, free, last, { commands, refusals })
    used = used.filter((item) => !free.includes(item))
    last = await kernel.read(scope)
    usersOf = usersIn(last)
  }
  const isThere = ({ bound, before }: Item) =>
    bound.undo(before, last).length > 0 || (isMachine && bound.altered(before, last) !== undefined)
  const remaining = items.filter((item) => !goesWithAnother(item, items, last, usersOf) && isThere(item))
  const kept = remaining.filter((item) => isUsed(item, usersOf))
  return { commands, remaining, kept, now: last, refusals, usersOf }
}

/** Who relies on what was made, in words: others, and on the machine whatever would be cut off without it. */
type UsersOf = (item: Item) => string[]

function usersAmong(host: Host, items: readonly Item[], now: State): UsersOf {
  const undoing = ({ bound, before }: Item) => bound.undo(before, now)
  const guard = host.kind === 'machine' ? guardOf(host, now, items.flatMap(undoing)) : () => undefined
  return (item) => [...item.bound.users(now), ...undoing(item).flatMap((command) => guard(command) ?? [])]
}

/** Whether it disappears along with another item, as an address does with its interface, if that is certainly undone. */
function goesWithAnother({ bound }: Item, items: readonly Item[], now: State, usersOf: UsersOf): boolean {
  if (bound.lingers) return false
  const containers = bound.needs.filter((need) => need.startsWith('netns:') || need.startsWith('link:'))
  return containers.some((need) =>
    items.some(
      (other) =>
        other.bound !== bound &&
        other.bound.provides.includes(need) &&
        other.bound.undo(other.before, now).length > 0 &&
        usersOf(other).length === 0,
    ),
  )
}

/** Undoes items one by one, and collects refusals. Whether those are really still there, the caller reads at the end. */
async function undoEach(
  kernel: Kernel,
  items: readonly Item[],
  now: State,
  { commands: ran, refusals }: { commands: Command[]; refusals: Map<Item, string> },
): Promise<void> {
  for (const item of items) {
    let state: State | undefined = now
    const find = async () => {
      const commands = item.bound.undo(item.before, state ?? (await kernel.read(scopeOf([item.bound]))))
      state = undefined // after a refusal it may be another
      return commands
    }
    try {
      ran.push(...(await runRemoval(kernel, find)))
    } catch (error) {
      refusals.set(item, error instanceof Error ? error.message : String(error))
    }
  }
}
