import { readJournal } from '../journal/journal.ts'
import type { Host } from '../kernel/host.ts'
import type { Command } from '../operations/operation.ts'
import { type BoundOperation, bindOperation } from '../operations/registry.ts'
import { isOurs } from '../operations/same-link.ts'
import { findLink, type State } from '../state/state.ts'

/**
 * The commands that lead from the current state to the operation's. None on the machine, unless everything that they change
 * is ours: interfaces that bear our mark, and whatever is in a namespace that the journal says we made.
 */
export function mendingOf(host: Host, operation: BoundOperation, now: State): readonly Command[] {
  const commands = operation.mend(now)
  return isOursToChange(host, commands, now) ? commands : []
}

/** Whether all that commands change is ours: in a sandbox, everything is. */
export function isOursToChange(host: Host, commands: readonly Command[], now: State): boolean {
  if (host.kind === 'sandbox') return true
  const ours = namespacesOf(host, now)
  return commands.every((command) => isInOurs(command, ours) || touchesOurs(command, now))
}

/** The namespaces that we created and that are still the same. */
function namespacesOf(host: Host, now: State): ReadonlySet<string> {
  return new Set(
    readJournal(host).flatMap(({ operation, before, status }) => {
      const name = status === 'adopted' ? undefined : bindOperation(operation).makesNetns
      return name !== undefined && now.get(name)?.inode === before.inode ? [name] : []
    }),
  )
}

function isInOurs({ netns }: Command, ours: ReadonlySet<string>): boolean {
  return netns !== undefined && ours.has(netns)
}

/** Whether the interface that a command names is ours, or is created by the command. */
function touchesOurs({ tool, argv, netns }: Command, now: State): boolean {
  if (tool !== 'ip' && tool !== 'bridge') return false
  if (argv[0] === 'link' && argv[1] === 'add') return true
  const at = argv.indexOf('dev')
  const link = at === -1 ? undefined : findLink(now, argv[at + 1] ?? '', netns)
  return link !== undefined && isOurs(link)
}
