import { CnilabError } from '../errors.ts'
import type { Host } from '../kernel/host.ts'
import { terminals } from '../kernel/terminals.ts'
import type { Command } from '../operations/operation.ts'
import { cutBy, lifelinesOf, uplinkOf } from '../plan/cut-off.ts'
import type { State } from '../state/state.ts'

/** Tells what a command would cut off, as the end of a sentence. */
type Guard = (command: Command) => string | undefined

/**
 * Guards what a host is reached by, in this state, unless there is --force: of the machine its default routes, and the ways
 * to the user's terminals; of a sandbox its uplink. `undoing` are commands that take back what is ours.
 */
export function guardOf(host: Host, now: State, undoing: readonly Command[] = []): Guard {
  if (host.force === true) return () => undefined
  const lifelines = host.kind === 'machine' ? lifelinesOf(now, terminals(), undoing) : uplinkOf(now)
  return (command) => cutBy(command, lifelines, now)
}

/** Refuses what would cut a host off: CnilabError `state`. `what` says in words what the commands do. */
export function refuseToCutOff(host: Host, what: string, commands: readonly Command[], guard: Guard): void {
  for (const command of commands) {
    const cut = guard(command)
    if (cut === undefined) continue
    const whole = host.kind === 'machine' ? 'this machine' : 'the sandbox'
    throw new CnilabError('state', `${what}: ${cut}, and ${whole} would be cut off`, {
      fix: 'take another interface, such as an end of a veth pair, or add --force to do it all the same',
    })
  }
}
