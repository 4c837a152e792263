import { CnilabError } from '../errors.ts'
import { exclusively } from '../journal/exclusively.ts'
import { endEntries, type JournalEntry, readJournal } from '../journal/journal.ts'
import type { Host } from '../kernel/host.ts'
import type { Kernel } from '../kernel/kernel.ts'
import type { Command, Resource } from '../operations/operation.ts'
import { type BoundOperation, bindOperation, type Operation } from '../operations/registry.ts'
import { FORWARDING } from '../operations/sysctl.ts'
import { scopeOf } from '../plan/scope.ts'
import type { State } from '../state/state.ts'
import { lineOn } from './do.ts'
import { guardOf, refuseToCutOff } from './guard.ts'
import { describeOwner } from './owner.ts'
import { runRemoval } from './run-removal.ts'

/** How to undo an operation: the commands, none if it is already gone, and the journal entries that end. */
interface Removal {
  commands: Command[]
  ended: JournalEntry[]
}

/**
 * Undoes one operation that the user names: in a sandbox no matter who did it, on the machine only if the journal and the
 * mark say that it is ours. With the last masquerade it also undoes the forwarding that was turned on for it. Returns the
 * commands that it ran. Throws CnilabError `state` if others use it, or if it is somebody else's.
 */
export async function removeOperation(kernel: Kernel, operation: Operation): Promise<readonly Command[]> {
  return exclusively(kernel.host, async () => {
    const ended: JournalEntry[] = []
    const commands = await runRemoval(kernel, async () => {
      const removal = await planRemoval(kernel, operation)
      ended.push(...removal.ended)
      return removal.commands
    })
    endEntries(kernel.host, [...new Set(ended.map((entry) => entry.id))])
    return commands
  })
}

/** Like `removeOperation`, but only returns what it would do. */
export async function planRemoval(kernel: Kernel, operation: Operation): Promise<Removal> {
  const journal = readJournal(kernel.host).filter((entry) => entry.status !== 'adopted')
  const entry = findEntry(journal, operation)
  const bound = bindOperation(entry?.operation ?? operation)
  const settings =
    bound.reads.rules === true && bound.reads.sysctls === undefined
      ? journal.filter((one) => isForwarding(one) && bindOperation(one.operation).reads.netns === bound.reads.netns)
      : []
  const now = await kernel.read(scopeOf([bound, ...settings.map((setting) => bindOperation(setting.operation))]))
  const isMachine = kernel.host.kind === 'machine'
  const known = bound.undo(entry?.before ?? {}, now)
  // In a sandbox it does not matter who made it, or replaced it.
  const commands = known.length > 0 || isMachine ? known : bindOperation(operation).undo({}, now)
  const altered = isMachine && entry && commands.length === 0 ? bound.altered(entry.before, now) : undefined
  if (altered !== undefined)
    throw new CnilabError('state', `not undone (${bound.explain.what}): ${altered}`, {
      fix: 'if it is still yours, change that back, or remove it by hand',
    })
  if (isMachine && commands.length === 0 && bindOperation(operation).undo({}, now).length > 0)
    throw notOurs(operation, bound, now)
  if (isMachine && !entry && commands.length > 0) throw notOurs(operation, bound, now)
  if (isMachine)
    refuseToCutOff(kernel.host, `not undone (${bound.explain.what})`, commands, guardOf(kernel.host, now, commands))
  refuseWhileUsed(kernel.host, bound, now)
  const unused = settings.filter((setting) => bindOperation(setting.operation).users(now).every(isDeletedBy(commands)))
  return {
    commands: [
      ...commands,
      ...unused.toReversed().flatMap((setting) => bindOperation(setting.operation).undo(setting.before, now)),
    ],
    ended: [...(entry ? [entry] : []), ...unused, ...(commands.length > 0 ? goingWith(bound, journal) : [])],
  }
}

/** The entries of what disappears along with something: an interface's addresses, everything in a namespace. */
function goingWith(removed: BoundOperation, journal: readonly JournalEntry[]): JournalEntry[] {
  const gone = new Set<Resource>(removed.provides)
  return journal.filter(({ operation }) => {
    const { id, needs, provides } = bindOperation(operation)
    if (id === removed.id || !needs.some((need) => !need.startsWith('onlink:') && gone.has(need))) return false
    for (const one of provides) if (!one.startsWith('onlink:')) gone.add(one)
    return true
  })
}

const FORWARDINGS: readonly string[] = Object.values(FORWARDING)

/** Whether an entry turned forwarding on, which masquerading needs. */
function isForwarding({ operation }: JournalEntry): boolean {
  return bindOperation(operation).reads.sysctls?.some((key) => FORWARDINGS.includes(key)) === true
}

/** Returns a function that tells whether these commands delete a table. */
function isDeletedBy(commands: readonly Command[]): (table: string) => boolean {
  return (table) => commands.some(({ argv }) => argv.slice(0, 2).join(' ') === 'delete table' && argv[3] === table)
}

/** The journal's entry of an operation; either end identifies a veth pair. */
function findEntry(journal: readonly JournalEntry[], operation: Operation): JournalEntry | undefined {
  const named = bindOperation(operation)
  return journal.findLast((entry) => named.isSame(entry.operation))
}

function notOurs(operation: Operation, { explain }: BoundOperation, now: State): CnilabError {
  return new CnilabError('state', `not undone (${explain.what}): ${describeOwner(operation, now)}`, {
    fix: 'on the machine itself cnilab removes only what it made',
  })
}

/** Refuses to delete what others rely on. Addresses and settings may be undone on request. */
function refuseWhileUsed(host: Host, bound: BoundOperation, now: State): void {
  if (host.kind === 'machine' && !bound.shared && bound.users(now).length > 0)
    throw new CnilabError('state', `${bound.expected}, and this is not cnilab's: ${bound.users(now).join(', ')}`, {
      fix: 'on the machine itself cnilab removes only what it made',
    })
  const refusal = bound.refusal(now, lineOn(host))
  if (refusal) throw new CnilabError('state', refusal.actual, { fix: refusal.fix })
}
