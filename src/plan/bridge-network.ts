import { isIpv6 } from '../operations/names.ts'
import type { Operation } from '../operations/registry.ts'
import { FORWARDING } from '../operations/sysctl.ts'

/** A bridge network as its configuration describes it. */
export interface BridgeNetwork {
  name: string
  bridge: string
  bridgeMac: string
  mtu?: number | undefined
  /** The bridge has the gateway's address, and the host forwards. */
  isGateway: boolean
  masquerade: boolean
  promiscuous: boolean
  hairpin: boolean
  isolated: boolean
  spoofCheck: boolean
  detectDuplicates: boolean
  /** The container's interface stays down. */
  disabled: boolean
  vlans?: { untagged?: number | undefined; tagged: { first: number; last: number }[]; keepDefault: boolean } | undefined
}

/** A container's interface, its cable, and how it is told from all others. */
export interface ContainerEnd {
  netns: string
  ifname: string
  mac: string
  /** The host's end of the cable. */
  host: { name: string; mac: string }
  /** Whose it is: `network/container/interface`. */
  owner: string
}

/** An address that was allocated: with its prefix, its subnet, and the gateway if there is one. */
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
 * Steps 2 to 8 for one container on a bridge network. The bridge comes up after its port, and all of the host's commands
 * come before the container's, so that few processes carry them.
 */
export function bridgePlan(
  network: BridgeNetwork,
  container: ContainerEnd,
  leases: readonly Lease[],
  routes: readonly ContainerRoute[],
): Operation[] {
  const { bridge } = network
  const { host } = container
  const hasIpv6 = leases.some(({ address }) => isIpv6(address))
  const vlans: Operation[] = network.vlans
    ? [
        { kind: 'port-vlans', params: { ifname: host.name, ...network.vlans } },
        ...(network.vlans.untagged === undefined ? [] : [ownVlan(bridge, network.vlans.untagged)]),
      ]
    : []
  return [
    {
      kind: 'bridge',
      params: {
        name: bridge,
        mtu: network.mtu,
        promiscuous: network.promiscuous,
        vlanFiltering: network.vlans !== undefined,
        mark: { mac: network.bridgeMac },
      },
    },
    // A container must not tell the host its routes (CVE-2020-10749).
    { kind: 'sysctl', params: { key: `net.ipv6.conf.${bridge.replaceAll('.', '/')}.accept_ra`, value: '0' } },
    {
      kind: 'veth',
      params: {
        name: host.name,
        peer: container.ifname,
        peerNetns: container.netns,
        mtu: network.mtu,
        mark: { mac: host.mac, peerMac: container.mac, owner: container.owner },
      },
    },
    {
      kind: 'attach-bridge',
      params: { ifname: host.name, bridge, hairpin: network.hairpin, isolated: network.isolated },
    },
    ...vlans,
    ...(network.spoofCheck
      ? [{ kind: 'mac-spoof-check', params: { ifname: host.name, mac: container.mac } } as const]
      : []),
    ...(network.isGateway ? gateways(leases) : []).map((address): Operation => ({
      kind: 'address',
      params: { address, ifname: bridge, detectDuplicates: network.detectDuplicates },
    })),
    { kind: 'up', params: { ifname: host.name, linkLocal: false } },
    { kind: 'up', params: { ifname: bridge } },
    ...containerPlan(container, leases, routes, network),
    ...(network.isGateway ? forwarding(leases, hasIpv6) : []),
    ...(network.masquerade
      ? leases.flatMap(({ address, subnet }): Operation[] => [
          { kind: 'network-masquerade', params: { network: network.name, subnet } },
          {
            kind: 'masqueraded-address',
            params: { network: network.name, subnet, address: bare(address), owner: container.owner },
          },
        ])
      : []),
  ]
}

/** What is done within the container: its addresses, its interface, its routes. */
function containerPlan(
  { netns, ifname }: ContainerEnd,
  leases: readonly Lease[],
  routes: readonly ContainerRoute[],
  { disabled, detectDuplicates }: Pick<BridgeNetwork, 'disabled' | 'detectDuplicates'>,
): Operation[] {
  return [
    ...leases.map(({ address }): Operation => ({
      kind: 'address',
      params: { address, ifname, netns, detectDuplicates },
    })),
    ...(disabled ? [] : [{ kind: 'up', params: { ifname, netns } } as const]),
    ...routes.map(({ dst, gw, ...rest }): Operation => ({
      kind: 'route',
      params: { dst, via: gw, dev: ifname, netns, ...rest },
    })),
  ]
}

/** The bridge's own address is in the containers' VLAN. */
function ownVlan(bridge: string, untagged: number): Operation {
  return { kind: 'port-vlans', params: { ifname: bridge, untagged, tagged: [], self: true } }
}

/** The gateways' addresses with the prefixes of their subnets. */
function gateways(leases: readonly Lease[]): string[] {
  return [
    ...new Set(
      leases.flatMap(({ address, gateway }) =>
        gateway === undefined ? [] : [`${gateway}/${address.split('/')[1] ?? ''}`],
      ),
    ),
  ]
}

function forwarding(leases: readonly Lease[], hasIpv6: boolean): Operation[] {
  const hasIpv4 = leases.some(({ address }) => !isIpv6(address))
  return [...(hasIpv4 ? [FORWARDING.inet] : []), ...(hasIpv6 ? [FORWARDING.inet6] : [])].map((key) => ({
    kind: 'sysctl',
    params: { key, value: '1' },
  }))
}

/** An address without its prefix. */
export function bare(address: string): string {
  return address.split('/')[0] ?? ''
}
