import { CnilabError } from '../errors.ts'
import type { Host } from '../kernel/host.ts'
import { terminals } from '../kernel/terminals.ts'
import type { Command } from '../operations/operation.ts'
import { cutBy, lifelinesOf, uplinkOf } from '../plan/cut-off.ts'
import type { State } from '../state/state.ts'

/** Says what a command would cut off, as part of a sentence; undefined if nothing. */
type Guard = (command: Command) => string | undefined

/**
 * Guards what the host is reached through, in this state, unless there is --force: the machine's default routes and the routes
 * to the user's terminals, or a sandbox's uplink. `undoing` are the commands that undo what is ours.
 */
export function guardOf(host: Host, now: State, undoing: readonly Command[] = []): Guard {
  if (host.force === true) return () => undefined
  const lifelines = host.kind === 'machine' ? lifelinesOf(now, terminals(), undoing) : uplinkOf(now)
  return (command) => cutBy(command, lifelines, now)
}

/** Throws CnilabError `state` if a command would cut the host off. `what` says in words what the commands do. */
export function refuseToCutOff(host: Host, what: string, commands: readonly Command[], guard: Guard): void {
  for (const command of commands) {
    const cut = guard(command)
    if (cut === undefined) continue
    const whole = host.kind === 'machine' ? 'this machine' : 'the sandbox'
    throw new CnilabError('state', `${what}: ${cut}, and ${whole} would be cut off`, {
      fix: 'use another interface, such as an end of a veth pair, or add --force to do it anyway',
    })
  }
}
