import { CnilabError } from '../errors.ts'
import { exclusively } from '../journal/exclusively.ts'
import { endEntries, type Entry, readJournal } from '../journal/journal.ts'
import { flagsFor, type Host } from '../kernel/host.ts'
import type { Kernel } from '../kernel/kernel.ts'
import { attachmentOf, type Command, type Resource } from '../operations/operation.ts'
import { type Derived, derive, type Operation } from '../operations/registry.ts'
import { FORWARDING } from '../operations/sysctl.ts'
import { quote } from '../plan/command-line.ts'
import { scopeOf } from '../plan/scope.ts'
import { findLink, isUplink, type State } from '../state/state.ts'
import { ownerOf } from './owner.ts'

/** What taking an operation back comes to: its commands, none if it is gone already, and the journal's entries that end. */
interface Removal {
  commands: Command[]
  ended: Entry[]
}

/**
 * Takes back one operation that the user names, whoever did it in a sandbox; on the machine only what the journal and
 * the mark say is ours. With the last masquerade goes the forwarding that was turned on for it. Returns the commands
 * that it took. Throws CnilabError `state` while others use it or if it is somebody else's.
 */
export async function removeOperation(kernel: Kernel, operation: Operation): Promise<Command[]> {
  return exclusively(kernel.host, async () => {
    const { commands, ended } = await planRemoval(kernel, operation)
    await kernel.run(commands)
    endEntries(
      kernel.host,
      ended.map((entry) => entry.id),
    )
    return commands
  })
}

/** The same, but only says which commands it would take. */
export async function planRemoval(kernel: Kernel, operation: Operation): Promise<Removal> {
  const journal = readJournal(kernel.host).filter((entry) => entry.status !== 'adopted')
  const entry = findEntry(journal, operation)
  const derived = derive(entry?.operation ?? operation)
  const settings = operation.kind === 'masquerade' ? journal.filter(isForwarding) : []
  const now = await kernel.read(scopeOf([derived, ...settings.map((setting) => derive(setting.operation))]))
  const isMachine = kernel.host.kind === 'machine'
  const known = derived.undo(entry?.before ?? {}, now)
  // In a sandbox it does not matter who made it, or made it anew.
  const commands = known.length > 0 || isMachine ? known : derive(operation).undo({}, now)
  if (isMachine && commands.length === 0 && derive(operation).undo({}, now).length > 0)
    throw notOurs(operation, derived, now)
  if (isMachine && !entry && commands.length > 0) throw notOurs(operation, derived, now)
  refuseWhileUsed(kernel.host, operation, derived, now)
  const unused = settings.filter((setting) => derive(setting.operation).users(now).every(isDeletedBy(commands)))
  return {
    commands: [...commands, ...unused.flatMap((setting) => derive(setting.operation).undo(setting.before, now))],
    ended: [...(entry ? [entry] : []), ...unused, ...(commands.length > 0 ? goingWith(derived, journal) : [])],
  }
}

/** The entries of what goes with something that is removed: an interface's addresses, all that is in a namespace. */
function goingWith(removed: Derived, journal: readonly Entry[]): Entry[] {
  const gone = new Set<Resource>(removed.provides)
  return journal.filter(({ operation }) => {
    const { id, needs, provides } = derive(operation)
    if (id === removed.id || !needs.some((need) => !need.startsWith('onlink:') && gone.has(need))) return false
    for (const one of provides) if (!one.startsWith('onlink:')) gone.add(one)
    return true
  })
}

function isForwarding({ operation }: Entry): boolean {
  const keys: readonly string[] = Object.values(FORWARDING)
  return operation.kind === 'sysctl' && keys.includes(operation.params.key)
}

/** Tells whether a table is deleted by these commands. */
function isDeletedBy(commands: readonly Command[]): (table: string) => boolean {
  return (table) => commands.some(({ argv }) => argv.slice(0, 2).join(' ') === 'delete table' && argv[3] === table)
}

/** The journal's own entry of an operation; a veth pair is known by either end. */
function findEntry(journal: readonly Entry[], operation: Operation): Entry | undefined {
  const named = derive(operation)
  return journal.findLast(({ operation: other }) => {
    if (other.kind !== operation.kind) return false
    if (other.kind === 'veth' && operation.kind === 'veth')
      return [other.params.name, other.params.peer].includes(operation.params.name)
    // What was named may differ from what was made: by its prefix, its gateway, its bridge.
    const made = derive(other)
    return made.id === named.id && made.expected === named.expected && made.needs.join() === named.needs.join()
  })
}

function notOurs(operation: Operation, { explain }: Derived, now: State): CnilabError {
  return new CnilabError('state', `not undone (${explain.what}): ${ownerOf(operation, now)}`, {
    fix: 'on the machine itself cnilab removes only what it made',
  })
}

/** A bridge with ports is not deleted under them; addresses and settings are taken back on demand. */
function refuseWhileUsed(host: Host, { kind, params }: Operation, derived: Derived, now: State): void {
  if (kind === 'netns' && host.kind === 'machine' && derived.users(now).length > 0)
    throw new CnilabError(
      'state',
      `namespace ${params.name} holds what cnilab did not make: ${derived.users(now).join(', ')}`,
      {
        fix: 'on the machine itself cnilab removes only what it made',
      },
    )
  if (kind === 'veth' && isUplink(findLink(now, params.name)))
    throw new CnilabError('state', `${params.name} is the sandbox's uplink`, {
      fix: `name one of your own: cnilab netns list${flagsFor(host)}`,
    })
  if (kind !== 'bridge') return
  const { name } = params
  const users = derived.users(now)
  const [first] = users
  if (first === undefined) return
  const container = attachmentOf(findLink(now, first)?.alias)
  const flags = flagsFor(host)
  throw new CnilabError(
    'state',
    `${derived.expected} and has ${users.length} port${users.length === 1 ? '' : 's'}: ${users.join(', ')}`,
    {
      fix: container
        ? `cnilab bridge del ${quote(container.containerId)} NETNS${flags} takes a container off; with the last one the bridge goes`
        : `cnilab attach ${quote(first)} --bridge ${quote(name)} --undo${flags}, or cnilab veth delete ${quote(first)}${flags}`,
    },
  )
}
