import type { Host } from '../../kernel/host.ts'
import { kernelOf } from '../../kernel/kernel.ts'
import { netnsOf } from '../../operations/names.ts'
import { FORWARDING } from '../../operations/sysctl.ts'
import { changes } from '../../state/diff.ts'
import type { State } from '../../state/state.ts'
import type { Execution } from '../execute.ts'
import type { PluginCall } from './call.ts'
import type { RunCall } from './chain.ts'

/** What one plugin was given, what it answered, and what it changed in the kernel. */
export interface Traced {
  call: PluginCall
  execution: Execution
  /** Lines such as `host: link cni0 bridge up mtu 1500`. */
  changed: { gone: string[]; added: string[] }
}

/** Runs plugins as `run` does, and reads the kernel of the host before and after each. */
export function traced(host: Host, run: RunCall, tell: (traced: Traced) => void): RunCall {
  const kernel = kernelOf(host)
  let last: State | undefined
  return async (call) => {
    const netns = netnsOf(call.variables['CNI_NETNS'] ?? '')
    const scope = { namespaces: undefined, rules: true, sysctls: Object.values(FORWARDING), paths: pathsOf(netns) }
    const before = last ?? (await kernel.read(scope))
    const execution = await run(call)
    last = await kernel.read(scope)
    tell({ call, execution, changed: changes(before, last) })
    return execution
  }
}

/** A namespace that has no name is read by its path. */
function pathsOf(netns: string): string[] {
  return netns.startsWith('/') ? [netns] : []
}
