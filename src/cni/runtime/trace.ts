import type { Host } from '../../kernel/host.ts'
import { kernelOf } from '../../kernel/kernel.ts'
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
  /** The container's namespace if the kernel is not read there, because it has no name: what changed in it is not known. */
  unseen: string | undefined
}

/** Runs plugins as `run` does, and reads the kernel of the host before and after each. */
export function traced(host: Host, run: RunCall, tell: (traced: Traced) => void): RunCall {
  const kernel = kernelOf(host)
  let last: State | undefined
  return async (call) => {
    const before = last ?? (await kernel.read())
    const execution = await run(call)
    last = await kernel.read()
    const netns = call.variables['CNI_NETNS'] ?? ''
    const isNamed = netns === '' || /^(\/var)?\/run\/netns\/[^/]+$/.test(netns)
    tell({ call, execution, changed: changes(before, last), unseen: isNamed ? undefined : netns })
    return execution
  }
}
