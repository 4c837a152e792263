import { CnilabError } from '../errors.ts'
import { exclusively } from '../journal/exclusively.ts'
import { appendJournal, type Entry, readJournal } from '../journal/journal.ts'
import type { Kernel } from '../kernel/kernel.ts'
import type { Command } from '../operations/operation.ts'
import { type Derived, derive, type Operation } from '../operations/registry.ts'
import { FORWARDING } from '../operations/sysctl.ts'
import { scopeOf } from '../plan/scope.ts'
import type { State } from '../state/state.ts'
import { ownerOf } from './owner.ts'
import { undoExclusively } from './undo.ts'

/** What came of taking something away. `commands` is empty when it was gone already. */
export interface Removed {
  operation: Derived
  commands: Command[]
}

/**
 * Takes back one operation that the user names, whoever did it in a sandbox; on the machine only what the journal and
 * the mark say is ours. Throws CnilabError `state` while others use it or if it is somebody else's.
 */
export async function removeOperation(kernel: Kernel, operation: Operation): Promise<Removed> {
  return exclusively(kernel.host, async () => {
    const entry = findEntry(kernel, operation)
    const derived = derive(entry?.operation ?? operation)
    const now = await kernel.read(scopeOf([derived]))
    const commands = derived.undo(entry?.before ?? {}, now)
    if (kernel.host.kind === 'machine' && commands.length === 0 && derive(operation).undo({}, now).length > 0)
      throw notOurs(operation, derived, now)
    if (kernel.host.kind === 'machine' && !entry && commands.length > 0) throw notOurs(operation, derived, now)
    refuseWhileUsed(operation, derived, now)
    await kernel.run(commands)
    if (entry) appendJournal(kernel.host, [{ undone: entry.id }])
    return { operation: derived, commands: [...commands] }
  })
}

/** The journal's own entry of an operation; a veth pair is known by either end. */
function findEntry({ host }: Kernel, operation: Operation): Entry | undefined {
  const { id } = derive(operation)
  return readJournal(host).findLast(({ operation: other, status }) => {
    if (status === 'adopted' || other.kind !== operation.kind) return false
    if (other.kind === 'veth' && operation.kind === 'veth')
      return [other.params.name, other.params.peer].includes(operation.params.name)
    return derive(other).id === id
  })
}

function notOurs(operation: Operation, { explain }: Derived, now: State): CnilabError {
  return new CnilabError('state', `not undone (${explain.what}): ${ownerOf(operation, now)}`, {
    fix: 'on the machine itself cnilab removes only what it made',
  })
}

/** A bridge with ports is not deleted under them; addresses and settings are taken back on demand. */
function refuseWhileUsed({ kind, params }: Operation, derived: Derived, now: State): void {
  if (kind !== 'bridge') return
  const { name } = params
  const users = derived.users(now)
  const [first] = users
  if (first === undefined) return
  throw new CnilabError(
    'state',
    `${derived.expected} and has ${users.length} port${users.length === 1 ? '' : 's'}: ${users.join(', ')}`,
    {
      fix: `cnilab attach ${first} --bridge ${name} --undo, or cnilab veth delete ${first}`,
    },
  )
}

/**
 * Turns forwarding off again if cnilab turned it on and no rule masquerades any more. Returns the commands that it took.
 */
export async function removeUnusedForwarding(kernel: Kernel): Promise<Command[]> {
  return exclusively(kernel.host, async () => {
    const keys: readonly string[] = Object.values(FORWARDING)
    const entries = readJournal(kernel.host).filter(
      ({ operation }) => operation.kind === 'sysctl' && keys.includes(operation.params.key),
    )
    return entries.length === 0 ? [] : (await undoExclusively(kernel, entries)).commands
  })
}
