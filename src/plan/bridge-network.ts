import type { Operation } from '../operations/registry.ts'
import {
  type ContainerEnd,
  containerPlan,
  type ContainerRoute,
  forwarding,
  type Lease,
  masquerading,
  withoutAdvertisements,
} from './container.ts'

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

/** The VLAN in which a bridge itself is: ip-link(8), `vlan_default_pvid`. */
const DEFAULT_VLAN = 1

/** The interface that has the gateways' addresses: the bridge, or for containers in a VLAN that of the VLAN on it. */
export function gatewayOf({ bridge, vlans }: BridgeNetwork): string {
  const untagged = vlans?.untagged ?? DEFAULT_VLAN
  return untagged === DEFAULT_VLAN ? bridge : nameOfVlan(bridge, untagged)
}

/** As the reference plugin calls it. */
function nameOfVlan(bridge: string, vlan: number): string {
  return `${bridge}.${vlan}`
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
  const gateway = gatewayOf(network)
  return [
    {
      kind: 'bridge',
      params: {
        name: bridge,
        mtu: network.mtu,
        vlanFiltering: network.vlans !== undefined,
        adopts: true,
        mark: { mac: network.bridgeMac },
      },
    },
    ...(network.promiscuous ? [{ kind: 'promiscuous', params: { ifname: bridge } } as const] : []),
    withoutAdvertisements(bridge),
    ...(network.isGateway && gateway !== bridge ? vlanOf(bridge, network.vlans?.untagged ?? DEFAULT_VLAN) : []),
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
      params: {
        ifname: host.name,
        bridge,
        hairpin: network.hairpin || undefined,
        isolated: network.isolated || undefined,
      },
    },
    ...(network.vlans ? [{ kind: 'port-vlans', params: { ifname: host.name, ...network.vlans } } as const] : []),
    ...(network.spoofCheck
      ? [{ kind: 'mac-spoof-check', params: { ifname: host.name, mac: container.mac } } as const]
      : []),
    ...(network.isGateway ? gateways(leases) : []).map((address): Operation => ({
      kind: 'address',
      params: { address, ifname: gateway, detectDuplicates: network.detectDuplicates },
    })),
    { kind: 'up', params: { ifname: host.name, linkLocal: false } },
    { kind: 'up', params: { ifname: bridge } },
    ...(network.isGateway && gateway !== bridge ? [{ kind: 'up', params: { ifname: gateway } } as const] : []),
    ...containerPlan(container, leases, routes, {
      disabled: network.disabled,
      detectDuplicates: network.detectDuplicates,
    }),
    ...(network.isGateway ? forwarding(leases) : []),
    ...(network.masquerade ? masquerading(network.name, leases, container.owner) : []),
  ]
}

/** The host's part in a VLAN of the bridge: an interface of its own, since a bridge may have many VLANs. */
function vlanOf(bridge: string, vlan: number): Operation[] {
  const name = nameOfVlan(bridge, vlan)
  return [
    { kind: 'vlan', params: { name, parent: bridge, vlan } },
    { kind: 'port-vlans', params: { ifname: bridge, tagged: [{ first: vlan, last: vlan }], self: true } },
    withoutAdvertisements(name),
  ]
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
