import { bindOperation, type Operation } from '../../operations/registry.ts'
import { narrowScopeOf } from '../../plan/scope.ts'
import { findLink, type State } from '../../state/state.ts'
import { doUnrecorded, undoOnError } from '../../engine/do-unrecorded.ts'
import { runRemoval } from '../../engine/run-removal.ts'
import { containerNetns, containerNetnsIfThere, ownKernel } from '../host.ts'
import type { Call, PluginType } from '../protocol/plugin-type.ts'
import { EMPTY, type Result } from '../protocol/result.ts'
import { checkPlan } from './check-plan.ts'

const plan = (netns: string): Operation[] => [{ kind: 'up', params: { ifname: 'lo', netns } }]

/** The container's own lo: ADD brings it up, DEL takes it down, as the reference does. */
export const loopback: PluginType = {
  add: async (call, deliver) => {
    const netns = containerNetns(call.netns)
    const bound = plan(netns).map(bindOperation)
    const kernel = await ownKernel()
    const scope = narrowScopeOf(bound)
    const undo = await doUnrecorded(kernel, bound, await kernel.read(scope))
    const result = call.prevResult ?? toResult(call, await kernel.read(scope), netns)
    await undoOnError(() => deliver?.(result), undo)
    return result
  },
  del: async (call) => {
    const netns = containerNetnsIfThere(call.netns)
    const [lo] = netns === undefined ? [] : plan(netns).map(bindOperation)
    if (!lo) return // it disappeared with its namespace
    const kernel = await ownKernel()
    await runRemoval(kernel, async () => lo.undo({}, await kernel.read(narrowScopeOf([lo]))))
  },
  check: async (call) => checkPlan(await ownKernel(), plan(containerNetns(call.netns))),
  gc: () => Promise.resolve(),
  status: () => Promise.resolve(),
}

function toResult(call: Call, now: State, netns: string): Result {
  const lo = findLink(now, 'lo', netns)
  const ips = (lo?.addresses ?? []).map(({ address, prefix }) => ({ address: `${address}/${prefix}`, interface: 0 }))
  return {
    ...EMPTY,
    interfaces: [{ name: 'lo', mac: lo?.mac ?? '', mtu: lo?.mtu ?? 0, sandbox: call.netns }],
    ips,
  }
}
