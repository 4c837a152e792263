import type { Scope } from '../../kernel/snapshot.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import { forgetFlowsTo, forgetOldFlows, type UdpPort } from '../../kernel/stale-flows.ts'
import { removeOwned } from '../../operations/nft-elements.ts'
import { readResource } from '../../operations/operation.ts'
import { portTable, udpPortsIn } from '../../operations/port-forward.ts'
import { bindOperation, type BoundOperation, type Operation } from '../../operations/registry.ts'
import { EVERYWHERE, isFor, type PortForwards, portForwards, type PortMapping } from '../../plan/port-forwards.ts'
import { withoutPrefix } from '../../plan/container.ts'
import { narrowScopeOf } from '../../plan/scope.ts'
import { HOST, type State } from '../../state/state.ts'
import { doUnrecorded, undoOnError } from '../../engine/do-unrecorded.ts'
import { runRemoval } from '../../engine/run-removal.ts'
import { CODE, CniError } from '../protocol/error.ts'
import { lockMachine, ownKernel, refuseMisread } from '../host.ts'
import { readToRemove } from './remove.ts'
import { isAlive, isOfContainer } from './holders.ts'
import { ownerOf, ownersOf } from './identity.ts'
import { removeReferenceChain } from './reference-chains.ts'
import type { Call, PluginType } from '../protocol/plugin-type.ts'
import { ownResult } from '../protocol/result.ts'
import { hostSideOf, previousOf, routedTo } from './chained.ts'
import { checkPlan } from './check-plan.ts'
import { portmapConfig } from './portmap-config.ts'
import { requireTools } from './tools.ts'

/** Forwards ports of the host to a container. Runs after the plugin that made the container's interface. */
export const portmap: PluginType = {
  add: async (call, deliver) => {
    refuseMisread(call.ifname)
    const config = portmapConfig(call)
    const result = previousOf(call)
    if (config.mappings.length === 0) {
      deliver?.(result)
      return result
    }
    const kernel = await ownKernel()
    const { release } = await lockMachine()
    try {
      const now = await kernel.read(scopeBefore(call, config))
      const { bound, replaced } = await withoutTaken(
        call,
        kernel,
        portPlan(call, config, routedTo(call, now)).map(bindOperation),
        now,
      )
      const undo = await doUnrecorded(kernel, bound, now, undefined, (operation) => replaced.has(operation))
      await forgetOldFlows(kernel, udpPorts(config, call))
      await undoOnError(() => deliver?.(result), undo)
    } finally {
      release()
    }
    return result
  },
  del: (call) => removePorts((owner) => owner === ownerOf(call), call),
  check: async (call) => {
    const config = portmapConfig(call)
    previousOf(call)
    if (config.mappings.length === 0) return
    const kernel = await ownKernel()
    const now = await kernel.read({ namespaces: new Set(), links: hostSideOf(call) })
    // Where it is on several networks, a port leads to it by one of them.
    const isOwn = (operation: BoundOperation, state: State) => {
      const verdict = operation.judge(state)
      return verdict.status === 'differs' && isOfContainer(verdict.owner, call.containerId)
    }
    await checkPlan(kernel, portPlan(call, config, routedTo(call, now)), undefined, isOwn)
  },
  gc: ({ network }, valid) => {
    const owners = new Set(valid.map((one) => ownerOf({ network, ...one })))
    return removePorts((owner) => owner.startsWith(ownersOf(network)) && !owners.has(owner))
  },
  status: async (call) => {
    portmapConfig(call)
    await requireTools([{ kind: 'port-forwarding', params: { family: 'ip' } }])
  },
}

/** What to read before making the plan: which of the interfaces it will be about is not known yet. */
function scopeBefore(call: Call, config: PortForwards): Scope {
  const links = hostSideOf(call)
  const plans = [undefined, ...links].map((name) => narrowScopeOf(portPlan(call, config, name).map(bindOperation)))
  const all = (pick: (one: (typeof plans)[number]) => readonly string[]) => [...new Set(plans.flatMap(pick))]
  const sysctls = new Map([[HOST, all((one) => one.sysctls.get(HOST) ?? [])]])
  return { namespaces: new Set(), links, sysctls, tables: all(({ tables }) => tables) }
}

/** The plan for this call; `hostIfname` is the host's interface towards the container, if it has one. */
function portPlan(call: Call, config: PortForwards, hostIfname: string | undefined): Operation[] {
  const addresses = ownResult(call).ips.map(({ address }) => address)
  const isLost = (mapping: PortMapping) => !addresses.some((address) => isFor(mapping, address))
  // A port at all addresses is often named once for each family.
  const hasTwin = ({ hostIP, hostPort, protocol }: PortMapping) =>
    EVERYWHERE.includes(hostIP) &&
    config.mappings.some((one) => one.hostPort === hostPort && one.protocol === protocol && !isLost(one))
  const lost = config.mappings.find((mapping) => isLost(mapping) && !hasTwin(mapping))
  if (lost)
    throw new CniError(
      CODE.config,
      `${lost.protocol} port ${lost.hostPort}${lost.hostIP === '' ? '' : ` of ${lost.hostIP}`} cannot lead to the container, which has ${addresses.length === 0 ? 'no address' : `only ${addresses.join(', ')}`}`,
      'the plugin before this one must give it an address of the same family as "hostIP"',
    )
  return portForwards(config, { addresses, owner: ownerOf(call), hostIfname })
}

/** The UDP ports of the host that lead to the container. */
function udpPorts({ mappings }: PortForwards, call: Call): UdpPort[] {
  const addresses = ownResult(call).ips.map(({ address }) => withoutPrefix(address))
  return mappings
    .filter(({ protocol }) => protocol === 'udp')
    .flatMap((mapping) => {
      const { hostIP, hostPort, containerPort } = mapping
      const hostIp = EVERYWHERE.includes(hostIP) ? '' : hostIP
      return addresses
        .filter((address) => isFor(mapping, address))
        .map((address) => ({ hostIp, hostPort, address, containerPort }))
    })
}

/**
 * The operations without the ports that lead to this very container already, by another network of its; and those that replace
 * what an earlier holder of the address left, or a container that is gone. Throws CniError if a port of the host is mapped
 * twice, or already leads elsewhere.
 */
async function withoutTaken(
  call: Call,
  kernel: Kernel,
  operations: readonly BoundOperation[],
  now: State,
): Promise<{ bound: BoundOperation[]; replaced: ReadonlySet<BoundOperation> }> {
  const ports = operations.filter(({ provides }) => provides.some((one) => readResource(one).what === 'port'))
  const twice = ports.find(({ id }, i) => ports.findIndex((other) => other.id === id) !== i)
  if (twice)
    throw new CniError(
      CODE.config,
      `runtimeConfig.portMappings has a port of the host twice: ${twice.expected}`,
      'it can lead to only one port of the container: remove the other mapping',
    )
  const [dropped, replaced] = [new Set<BoundOperation>(), new Set<BoundOperation>()]
  for (const operation of operations) {
    const verdict = operation.judge(now)
    if (verdict.status !== 'differs') continue
    if (operation.leftover(now)) replaced.add(operation)
    else if (!ports.includes(operation)) continue
    else if (isOfContainer(verdict.owner, call.containerId)) dropped.add(operation)
    else if (verdict.owner !== undefined && !(await isAlive(kernel, verdict.owner))) replaced.add(operation)
    else
      throw new CniError(
        CODE.exists,
        `the port is taken: ${verdict.actual}`,
        'the owner is NETWORK/CONTAINER/INTERFACE: call DEL for it first, or map another "hostPort"',
      )
  }
  return { bound: operations.filter((one) => !dropped.has(one)), replaced }
}

/** Removes the ports of the owners for which `isGone` holds, and the table with its last port. */
async function removePorts(isGone: (owner: string) => boolean, call?: Call): Promise<void> {
  const kernel = await ownKernel()
  const tables = (['ip', 'ip6'] as const).map(portTable)
  const { release } = await lockMachine()
  try {
    const gone: UdpPort[] = []
    let hadPorts = false
    await runRemoval(kernel, async () => {
      const names = tables.map(({ family, name }) => `${family} ${name}`)
      const now = await readToRemove(kernel, { namespaces: new Set(), links: [], tables: names })
      const rules = now.get(HOST)?.rules ?? []
      gone.push(...tables.flatMap((table) => udpPortsIn(rules, table, isGone)))
      const commands = tables.flatMap((table) => removeOwned(table, isGone, rules))
      hadPorts ||= commands.length > 0
      return commands
    })
    await forgetFlowsTo(kernel, gone)
    if (call && !hadPorts) await removeReferenceChain(kernel, 'CNI-DN-', call)
  } finally {
    release()
  }
}
