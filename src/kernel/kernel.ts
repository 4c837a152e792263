import type { Command } from '../operations/operation.ts'
import type { State } from '../state/state.ts'
import type { Host } from './host.ts'
import { launcher } from './launcher.ts'
import { programReader } from './program-reader.ts'
import { run, type RunOptions } from './run.ts'
import { type Scope, snapshot } from './snapshot.ts'
import type { Finished } from './spawn.ts'

/** Everything that the engine can do with a host's kernel. */
export interface Kernel {
  host: Host
  /** Changes it. Throws KernelError at the first refusal. */
  run: (commands: readonly Command[], options?: RunOptions) => Promise<void>
  /** Takes a snapshot of it. */
  read: (scope?: Scope) => Promise<State>
  /** Runs a program that changes nothing, such as ping, for at most that many seconds, and returns its result. */
  probe: (argv: readonly string[], netns?: string, input?: string, seconds?: number) => Promise<Finished>
}

/** The kernel of a host. `launch` starts programs; to start just a few, pass one that keeps no shell waiting. */
export function kernelOf(host: Host, launch = launcher(host)): Kernel {
  return {
    host,
    run: (commands, options) => run(host, launch, commands, options),
    read: (scope) => snapshot(host, programReader(host, launch), scope),
    probe: (argv, netns, input, seconds) => launch(netns, argv, input, seconds),
  }
}
