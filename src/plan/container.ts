import { isIpv6 } from '../ip-arithmetic.ts'
import type { Operation } from '../operations/registry.ts'
import { acceptRa, FORWARDING } from '../operations/sysctl.ts'

/** A container's interface, its cable, and what identifies them. */
export interface ContainerEnd {
  netns: string
  ifname: string
  mac: string
  /** The host's end of the cable. */
  host: { name: string; mac: string }
  /** The attachment that it belongs to: `network/container/interface`. */
  owner: string
  /** Whether it is about to be created. */
  isNew?: boolean
}

/** An allocated address with its prefix, its subnet, and the gateway if there is one. */
export interface Lease {
  address: string
  subnet: string
  gateway?: string | undefined
}

/** A route of a container. Without a gateway it goes to the interface directly. */
export interface ContainerRoute {
  dst: string
  gw?: string | undefined
  mtu?: number | undefined
  advmss?: number | undefined
  priority?: number | undefined
  table?: number | undefined
  scope?: number | undefined
}

/**
 * The operations within the container: its addresses, its interface, its routes. If `prefixRoute` is false, the addresses
 * bring no routes to their subnets.
 */
export function containerPlan(
  { netns, ifname, isNew = false }: ContainerEnd,
  leases: readonly Lease[],
  routes: readonly ContainerRoute[],
  how: { disabled?: boolean; detectDuplicates?: boolean; prefixRoute?: boolean } = {},
): Operation[] {
  const { disabled = false, ...rest } = how
  return [
    // Container engines turn IPv6 off in namespaces unless they know that they need it.
    ...(isNew && leases.some(({ address }) => isIpv6(address)) ? [enablingIpv6(ifname, netns)] : []),
    ...leases.map(({ address }): Operation => ({
      kind: 'address',
      params: { address, ifname, netns, broadcast: true, ...rest },
    })),
    ...(disabled ? [] : [{ kind: 'up', params: { ifname, netns } } as const]),
    ...routes.map(({ dst, gw, ...more }): Operation => ({
      kind: 'route',
      params: { dst, via: gw, dev: ifname, netns, ...more },
    })),
  ]
}

function enablingIpv6(ifname: string, netns: string): Operation {
  return {
    kind: 'sysctl',
    params: { key: `net.ipv6.conf.${ifname.replaceAll('.', '/')}.disable_ipv6`, value: '0', netns },
  }
}

/** Ignores router advertisements, with which a container could change the host's routes (CVE-2020-10749). */
export function withoutAdvertisements(ifname: string): Operation {
  return { kind: 'sysctl', params: { key: acceptRa(ifname), value: '0' } }
}

/** Turns on the host's forwarding, for the address families of the leases. */
export function forwarding(leases: readonly Lease[]): Operation[] {
  const families = [
    { key: FORWARDING.inet, isSix: false },
    { key: FORWARDING.inet6, isSix: true },
  ]
  return families
    .filter(({ isSix }) => leases.some(({ address }) => isIpv6(address) === isSix))
    .map(({ key }) => ({ kind: 'sysctl', params: { key, value: '1' } }))
}

/** Masquerades what a container sends out of its subnets. */
export function masquerading(network: string, leases: readonly Lease[], owner: string): Operation[] {
  return leases.flatMap(({ address, subnet }): Operation[] => [
    { kind: 'network-masquerade', params: { network, subnet } },
    { kind: 'masqueraded-address', params: { network, subnet, address: withoutPrefix(address), owner } },
  ])
}

/** An address without its prefix. */
export function withoutPrefix(address: string): string {
  return address.split('/')[0] ?? ''
}
