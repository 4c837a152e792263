import type { Kernel } from '../../kernel/kernel.ts'
import type { Scope } from '../../kernel/snapshot.ts'
import { lockNetworkNow } from '../../kernel/lock.ts'
import { addressAt, isIpv6, overlaps, subnetOf } from '../../operations/names.ts'
import { ip } from '../../operations/operation.ts'
import { derive, type Operation } from '../../operations/registry.ts'
import { bare, bridgePlan, type ContainerEnd, type ContainerRoute, type Lease } from '../../plan/bridge-network.ts'
import { narrowScopeOf } from '../../plan/scope.ts'
import { findLink, type State } from '../../state/state.ts'
import { doUnrecorded } from '../../engine/do-unrecorded.ts'
import { CODE, CniError } from '../error.ts'
import { containerNetns, ownKernel } from '../host.ts'
import { containerMac, hostEnd, ownerOf } from '../identity.ts'
import { ipamOf } from '../ipam/ipam.ts'
import type { Call, PluginType } from '../plugin-type.ts'
import { dnsOf, EMPTY, ownResult, type Result } from '../result.ts'
import { type BridgeConfig, bridgeConfig, requestedMac } from './bridge-config.ts'
import { checkPlan } from './check-plan.ts'
import { removeAttachment, removeStale } from './remove.ts'

/** Containers on a bridge of the host: veth pairs, addresses, routes, masquerading. */
export const bridge: PluginType = {
  add: async (call) => {
    const config = bridgeConfig(call)
    const netns = containerNetns(call.netns)
    const kernel = ownKernel()
    const ipam = await ipamOf(call)
    const release = lockNetworkNow()
    try {
      const now = await kernel.read(scopeBefore(call, config, netns))
      refuseIfThere(call, netns, now)
      const lease = (await ipam?.add(call)) ?? EMPTY
      try {
        if (ipam && lease.ips.length === 0)
          throw new CniError(CODE.delegate, 'the IPAM plugin gave no address', 'see its configuration under "ipam"')
        return await attach(kernel, call, config, netns, lease, now)
      } catch (error) {
        await ipam?.del(call)
        throw error
      }
    } finally {
      release()
    }
  },
  del: async (call) => {
    await removeAttachment(call, bridgeConfig(call).spoofCheck)
    await (await ipamOf(call))?.del(call)
  },
  check: async (call) => {
    const config = bridgeConfig(call)
    const netns = containerNetns(call.netns)
    const ipam = await ipamOf(call)
    const result = ownResult(call)
    await checkPlan(ownKernel(), plan(call, config, netns, completed(config, result)))
    await ipam?.check(call)
  },
  gc: async (call, valid) => {
    await removeStale(call, valid)
    await (await ipamOf(call))?.gc(call, valid)
  },
  status: async (call) => {
    bridgeConfig(call)
    await (await ipamOf(call))?.status(call)
  },
}

/** What has to be known before anything is made; of addresses nothing is known yet but that they may be IPv4. */
function scopeBefore(call: Call, config: BridgeConfig, netns: string): Scope {
  const derived = plan(call, config, netns, { ...EMPTY, ips: [{ address: '0.0.0.0/32' }] }).map(derive)
  return { ...narrowScopeOf(derived), withoutElements: true }
}

/** An interface of this name is an error, and is left alone; so is an attachment of this id. */
export function refuseIfThere(call: Call, netns: string, now: State): void {
  const { name } = hostEnd(call)
  const there = findLink(now, call.ifname, netns)
  if (!there && !findLink(now, name)) return
  throw new CniError(
    CODE.exists,
    there
      ? `container ${call.containerId} has an interface ${call.ifname} already, in ${call.netns}`
      : `container ${call.containerId} is on the network ${call.network} already, with ${call.ifname} in another namespace`,
    'call DEL for it first, or ADD with another CNI_IFNAME',
  )
}

/** Makes the attachment of what was allocated, all or nothing. */
async function attach(
  kernel: Kernel,
  call: Call,
  config: BridgeConfig,
  netns: string,
  lease: Result,
  before: State,
): Promise<Result> {
  const wanted = completed(config, lease)
  const derived = plan(call, config, netns, wanted).map(derive)
  const scope = { ...narrowScopeOf(derived), withoutElements: true }
  const hasIpv6 = wanted.ips.some(({ address }) => isIpv6(address))
  const isChanged = await clearAddresses(kernel, config, wanted, before)
  const now = hasIpv6 || isChanged ? await kernel.read(scope) : before
  await doUnrecorded(kernel, derived, now)
  return toResult(call, config, netns, wanted, before)
}

/** The result of the IPAM with the gateways and the default route that the configuration asks for. */
export function completed(config: BridgeConfig, lease: Result): Result {
  const ips = lease.ips.map((one) => ({
    ...one,
    ...(config.isGateway ? { gateway: one.gateway ?? firstAddress(one.address) } : {}),
  }))
  const defaults = ips.flatMap(({ address, gateway }) => {
    const dst = isIpv6(address) ? '::/0' : '0.0.0.0/0'
    return lease.routes.some((route) => route.dst === dst)
      ? []
      : [{ dst, ...(gateway === undefined ? {} : { gw: gateway }) }]
  })
  return { ...lease, ips, routes: config.isDefaultGateway ? [...lease.routes, ...defaults] : lease.routes }
}

function firstAddress(address: string): string | undefined {
  return addressAt(subnetOf(address), 1)
}

/** Steps 2 to 8 for this call. */
export function plan(call: Call, config: BridgeConfig, netns: string, result: Result): Operation[] {
  const { ips, routes } = result
  const leases = ips.map(({ address, gateway }): Lease => ({ address, subnet: subnetOf(address), gateway }))
  return bridgePlan(config, containerEnd(call, netns, result), leases, containerRoutes(ips, routes))
}

/** The container's interface: as a result has it, or as it is to be made. */
function containerEnd(call: Call, netns: string, { interfaces, ips: [first] }: Result): ContainerEnd {
  const made = interfaces.find(({ name, sandbox }) => name === call.ifname && sandbox !== undefined && sandbox !== '')
  const mac = made?.mac ?? requestedMac(call) ?? containerMac(call, first && bare(first.address))
  return { netns, ifname: call.ifname, mac, host: hostEnd(call), owner: ownerOf(call) }
}

/** A route that names no gateway goes by the gateway of its family. */
function containerRoutes(ips: Result['ips'], routes: Result['routes']): ContainerRoute[] {
  return routes.map((route) => {
    const gw = route.gw ?? ips.find(({ address }) => isIpv6(address) === isIpv6(route.dst))?.gateway
    return { ...route, ...(gw === undefined ? {} : { gw }) }
  })
}

/** A bridge has one IPv4 address, and no two in one IPv6 subnet; `forceAddress` takes the other ones off. */
async function clearAddresses(kernel: Kernel, config: BridgeConfig, { ips }: Result, now: State): Promise<boolean> {
  if (!config.isGateway) return false
  const wanted = ips.flatMap(({ address, gateway }) =>
    gateway === undefined ? [] : [`${gateway}/${address.split('/')[1] ?? ''}`],
  )
  const there = (findLink(now, config.bridge)?.addresses ?? []).filter(({ scope }) => scope !== 'link')
  const other = there
    .map(({ address, prefix }) => `${address}/${prefix}`)
    .filter((one) => !wanted.includes(one))
    .filter((one) => wanted.some((own) => isIpv6(own) === isIpv6(one) && (!isIpv6(own) || overlaps(own, one))))
  const [first] = other
  if (first === undefined) return false
  if (!config.forceAddress)
    throw new CniError(
      CODE.exists,
      `the bridge ${config.bridge} has the address ${first} already, and not ${wanted.join(', ')}`,
      `another network uses it, or its subnet was changed: name another "bridge", set "forceAddress": true, or take it off with: ip address delete ${first} dev ${config.bridge}`,
    )
  await kernel.run(other.map((one) => ip(undefined, 'address', 'delete', one, 'dev', config.bridge)))
  return true
}

export function toResult(call: Call, config: BridgeConfig, netns: string, wanted: Result, before: State): Result {
  const end = containerEnd(call, netns, wanted)
  const bridgeLink = findLink(before, config.bridge)
  const mtu = config.mtu ?? 1500
  return {
    interfaces: [
      { name: config.bridge, mac: bridgeLink?.mac ?? config.bridgeMac, mtu: bridgeLink?.mtu ?? mtu },
      { name: end.host.name, mac: end.host.mac, mtu },
      { name: call.ifname, mac: end.mac, mtu, sandbox: call.netns },
    ],
    ips: wanted.ips.map((one) => ({ ...one, interface: 2 })),
    routes: wanted.routes,
    dns: dnsOf(call, wanted),
  }
}
