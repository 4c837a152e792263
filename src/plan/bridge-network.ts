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

/** The configuration of a bridge network. */
export interface BridgeNetwork {
  name: string
  bridge: string
  bridgeMac: string
  mtu?: number | undefined
  /** Whether the bridge has the gateway's address, and the host forwards. */
  isGateway: boolean
  masquerade: boolean
  promiscuous: boolean
  hairpin: boolean
  isolated: boolean
  spoofCheck: boolean
  detectDuplicates: boolean
  /** Whether the container's interface stays down. */
  disabled: boolean
  vlans?: { untagged?: number | undefined; tagged: { first: number; last: number }[]; keepDefault: boolean } | undefined
}

/** The VLAN that a bridge itself is in: ip-link(8), `vlan_default_pvid`. */
const DEFAULT_VLAN = 1

/** The interface with the gateways' addresses: the bridge, or for containers in a VLAN, the bridge's VLAN interface. */
export function gatewayOf({ bridge, vlans }: BridgeNetwork): string {
  const untagged = vlans?.untagged ?? DEFAULT_VLAN
  return untagged === DEFAULT_VLAN ? bridge : nameOfVlan(bridge, untagged)
}

/** The same name as the reference plugin's. */
function nameOfVlan(bridge: string, vlan: number): string {
  return `${bridge}.${vlan}`
}

/**
 * Steps 2 to 8 for one container on a bridge network. The bridge comes up after its port. All of the host's commands come
 * before the container's, so that a few processes can run them.
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
      params: { address, ifname: gateway, detectDuplicates: network.detectDuplicates, broadcast: true },
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

/** Puts the host into a VLAN of the bridge: with a separate interface, as a bridge may have many VLANs. */
function vlanOf(bridge: string, vlan: number): Operation[] {
  const name = nameOfVlan(bridge, vlan)
  return [
    { kind: 'vlan', params: { name, parent: bridge, vlan } },
    { kind: 'port-vlans', params: { ifname: bridge, tagged: [{ first: vlan, last: vlan }], self: true } },
    withoutAdvertisements(name),
  ]
}

/** The gateways' addresses, with the prefix lengths of their subnets. */
function gateways(leases: readonly Lease[]): string[] {
  return [
    ...new Set(
      leases.flatMap(({ address, gateway }) =>
        gateway === undefined ? [] : [`${gateway}/${address.split('/')[1] ?? ''}`],
      ),
    ),
  ]
}
