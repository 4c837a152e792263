import { addressAt, isIpv6, subnetOf } from '../../ip-arithmetic.ts'
import { ownMacRule } from '../../rules/mac.ts'
import { withoutPrefix, type ContainerEnd, type ContainerRoute, type Lease } from '../../plan/container.ts'
import { containerMac, hostEnd, ownerOf } from './identity.ts'
import { sameDestination } from '../../operations/route.ts'
import type { State } from '../../state/state.ts'
import type { Call } from '../protocol/plugin-type.ts'
import type { Result } from '../protocol/result.ts'
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
function requestedMac(call: Call): string | undefined {
  const settings = settingsOf(call)
  const inConfig = [settings.part('runtimeConfig'), settings.part('args').part('cni')]
  const [byRuntime, byArgs] = inConfig.map((part) => part.byRule('mac', ownMacRule))
  return byRuntime ?? byArgs ?? argsOf(call).byRule('MAC', ownMacRule)
}

/** The addresses of a result, with their subnets. */
export function leasesOf({ ips }: Result): Lease[] {
  return ips.map(({ address, gateway }) => ({ address, subnet: subnetOf(address), gateway }))
}

/** The routes of a result. One without a gateway gets the gateway of its address family. */
export function containerRoutes({ ips, routes }: Result): ContainerRoute[] {
  return routes.map((route) => {
    const gw = route.gw ?? ips.find(({ address }) => isIpv6(address) === isIpv6(route.dst))?.gateway
    return { ...route, ...(gw === undefined ? {} : { gw }) }
  })
}

/** The addresses of a result, each with a gateway: by default the first address of its subnet. */
export function withGateways({ ips }: Result): Result['ips'] {
  return ips.map((one) => ({ ...one, gateway: one.gateway ?? addressAt(subnetOf(one.address), 1) }))
}

/** Gives a route a higher metric than existing routes to its destination, so that those of other interfaces take precedence. */
export function withHigherMetric(route: ContainerRoute, netns: string, now: State | undefined): ContainerRoute {
  if (!now || route.priority !== undefined) return route
  const others = sameDestination({ ...route, via: route.gw, netns }, now)
  return others.length === 0 ? route : { ...route, priority: Math.max(...others.map(({ metric }) => metric)) + 1 }
}
