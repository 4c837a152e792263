import { addressAt, isIpv6, subnetOf } from '../../ip-arithmetic.ts'
import { ownMacRule } from '../../rules/mac.ts'
import { withoutPrefix, type ContainerEnd, type ContainerRoute, type Lease } from '../../plan/container.ts'
import { containerMac, hostEnd, ownerOf } from './identity.ts'
import { MAIN, sameDestination } from '../../operations/route.ts'
import type { State } from '../../state/state.ts'
import { CODE, CniError } from '../protocol/error.ts'
import type { Call } from '../protocol/plugin-type.ts'
import type { Result, ResultIp } from '../protocol/result.ts'
import { argsOf, settingsOf } from '../protocol/settings.ts'

/** The container's interface: as in a result, or as it is about to be created. */
export function containerEnd(
  call: Call,
  netns: string,
  { interfaces, ips: [first] }: Result,
  isNew = false,
): ContainerEnd {
  const made = interfaces.find(({ name, sandbox }) => name === call.ifname && sandbox !== undefined && sandbox !== '')
  const mac = made?.mac ?? requestedMac(call) ?? containerMac(call, first && withoutPrefix(first.address))
  return { netns, ifname: call.ifname, mac, host: hostEnd(call), owner: ownerOf(call), isNew }
}

/** The MAC that the runtime requests: through the capability, args.cni, or CNI_ARGS, in this order. Throws CniError. */
export function requestedMac(call: Call): string | undefined {
  const settings = settingsOf(call)
  const inConfig = [settings.part('runtimeConfig'), settings.part('args').part('cni')]
  const [byRuntime, byArgs] = inConfig.map((part) => part.byRule('mac', ownMacRule))
  return byRuntime ?? byArgs ?? argsOf(call).byRule('MAC', ownMacRule)
}

/** The addresses of a result, with their subnets; one that is named twice is one. */
export function leasesOf({ ips }: Result): Lease[] {
  const isFirst = ({ address }: ResultIp, i: number) => ips.findIndex((one) => one.address === address) === i
  return ips.filter(isFirst).map(({ address, gateway }) => ({ address, subnet: subnetOf(address), gateway }))
}

/** The routes of a result. One without a gateway gets the gateway of its address family. */
export function containerRoutes({ ips, routes }: Result): ContainerRoute[] {
  return routes.map((route) => {
    const gw = route.gw ?? ips.find(({ address }) => isIpv6(address) === isIpv6(route.dst))?.gateway
    return { ...route, ...(gw === undefined ? {} : { gw }) }
  })
}

/** The routes without those to the subnets of the addresses, which the kernel makes by itself, to the same interface. */
export function withoutOwnSubnets(routes: readonly ContainerRoute[], leases: readonly Lease[]): ContainerRoute[] {
  const made = new Set(leases.map(({ subnet }) => subnet).filter((one) => !/\/(32|128)$/.test(one)))
  return routes.filter((route) => !made.has(route.dst) || !isMain(route) || (route.priority ?? 0) !== 0)
}

/**
 * The addresses of a result, each with a gateway: by default the first address of its subnet, or the other one of two. Throws
 * CniError `config` if there is none, or if it is an address of the container itself.
 */
export function withGateways({ ips }: Result): Result['ips'] {
  const own = new Set(ips.map(({ address }) => withoutPrefix(address)))
  return ips.map((one) => {
    const gateway = one.gateway ?? defaultGateway(one.address, own)
    if (gateway !== undefined && !own.has(gateway)) return { ...one, gateway }
    throw new CniError(
      CODE.config,
      gateway === undefined
        ? `the IPAM plugin gave ${one.address} without a gateway, and its subnet has no other address`
        : `the gateway ${gateway} of ${one.address} is an address of the container itself`,
      'the host needs an address of its own, by which the container reaches the world: set another "gateway" under "ipam", or give the container another address',
    )
  })
}

function defaultGateway(address: string, own: ReadonlySet<string>): string | undefined {
  const subnet = subnetOf(address)
  const first = addressAt(subnet, 1)
  const isPair = /\/(31|127)$/.test(subnet)
  return isPair && first !== undefined && own.has(first) ? addressAt(subnet, 0) : first
}

/**
 * The routes as the kernel can have them beside each other, and beside those of other interfaces, which take precedence: of
 * two to one destination, the later one has a higher metric. What is named twice is one. Without a state, as in CHECK, only
 * the first to each destination.
 */
export function rankedRoutes(
  routes: readonly ContainerRoute[],
  netns: string,
  now: State | undefined,
): ContainerRoute[] {
  const ranked: ContainerRoute[] = []
  for (const route of routes) {
    const { dst, gw, priority } = route
    const earlier = ranked.filter((one) => one.dst === dst && (one.table ?? MAIN) === (route.table ?? MAIN))
    if (earlier.some((one) => (priority === undefined ? one.gw === gw : metricOf(one) === priority))) continue
    const rivals = now ? sameDestination({ ...route, via: gw, netns }, now).map(({ metric }) => metric) : []
    const metrics = [...earlier.map(metricOf), ...rivals]
    if (priority !== undefined || metrics.length === 0) ranked.push(route)
    else if (now) ranked.push({ ...route, priority: Math.max(...metrics) + 1 })
  }
  return ranked
}

function isMain({ table }: ContainerRoute): boolean {
  return table === undefined || table === MAIN
}

/** Its metric, or the one that the kernel gives to one without. */
function metricOf({ dst, priority }: ContainerRoute): number {
  return priority ?? (isIpv6(dst) ? 1024 : 0)
}
