import type { Host } from '../../kernel/host.ts'
import { CnilabError } from '../../errors.ts'
import { type Kernel, kernelOf } from '../../kernel/kernel.ts'
import { netnsOf } from '../../rules/names.ts'
import { FORWARDING } from '../../operations/sysctl.ts'
import { diff, summarize } from '../../state/diff.ts'
import { rulesetLines } from '../../state/ruleset-lines.ts'
import { HOST } from '../../state/state.ts'
import type { Execution } from '../protocol/execute.ts'
import type { PluginCall } from './call.ts'
import type { RunCall } from './chain.ts'

/** One plugin's input, its output, and what it changed in the kernel. */
export interface TracedCall {
  call: PluginCall
  execution: Execution
  /** Lines such as `host: link cni0 bridge up mtu 1500`. */
  changed: { gone: string[]; added: string[] }
}

/** Wraps `run` to read the host's kernel before and after each plugin, and to pass the differences to `show`. */
export function traced(host: Host, run: RunCall, show: (traced: TracedCall) => void): RunCall {
  const kernel = kernelOf(host)
  const read = async (netns: string): Promise<string[]> => {
    const sysctls = new Map([[HOST, Object.values(FORWARDING)]])
    const scope = { namespaces: undefined, sysctls, paths: pathsOf(netns) }
    const [state, rules] = await Promise.all([kernel.read(scope), readRules(kernel)])
    return [...summarize(state), ...rules]
  }
  let last: string[] | undefined
  return async (call) => {
    const netns = netnsOf(call.variables['CNI_NETNS'] ?? '')
    const before = last ?? (await read(netns))
    const execution = await run(call)
    last = await read(netns)
    show({ call, execution, changed: diff(before, last) })
    return execution
  }
}

/** The host's rules; none if nft is not installed, as then no plugin of ours makes any. */
async function readRules(kernel: Kernel): Promise<string[]> {
  try {
    const { stdout } = await kernel.probe(['nft', 'list', 'ruleset'])
    return rulesetLines(stdout).map((line) => `host: ${line}`)
  } catch (error) {
    if (error instanceof CnilabError && error.kind === 'machine') return []
    throw error
  }
}

/** The path of a namespace without a name, for the scope to read. */
function pathsOf(netns: string): string[] {
  return netns.startsWith('/') ? [netns] : []
}
