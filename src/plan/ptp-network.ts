import { bitsOf, isIpv6 } from '../ip-arithmetic.ts'
import type { Operation } from '../operations/registry.ts'
import {
  withoutPrefix,
  type ContainerEnd,
  containerPlan,
  type ContainerRoute,
  forwarding,
  type Lease,
  masquerading,
  withoutAdvertisements,
} from './container.ts'

/** The configuration of a point-to-point network: one cable from each container straight to the host. */
export interface PtpNetwork {
  name: string
  mtu?: number | undefined
  masquerade: boolean
}

/** The host's address on every cable, valid only there (RFC 4291, section 2.5.6): the first that nobody has. */
const LINK_LOCAL = ['fe80::1', 'fe80::2', 'fe80::3']

/**
 * A cable between the host and one container. The host's end has only the gateway's address, and a route to the container.
 * To the container, only the gateway is on the cable, and its own subnet is behind the gateway. The host's commands come
 * before the container's, so that a few processes can run them.
 */
export function ptpPlan(
  network: PtpNetwork,
  container: ContainerEnd,
  leases: readonly Lease[],
  routes: readonly ContainerRoute[],
): Operation[] {
  const { host, netns, ifname, mac, owner } = container
  const hasIpv6 = leases.some(({ address }) => isIpv6(address))
  const gateways = new Set(leases.flatMap(({ gateway }) => (gateway === undefined ? [] : [gateway])))
  const named = new Set([...gateways, ...leases.map(({ address }) => withoutPrefix(address))])
  // A gateway may itself be such an address.
  const linkLocal = gateways.has(LINK_LOCAL[0] ?? '') ? undefined : LINK_LOCAL.find((one) => !named.has(one))
  return [
    {
      kind: 'veth',
      params: {
        name: host.name,
        peer: ifname,
        peerNetns: netns,
        mtu: network.mtu,
        mark: { mac: host.mac, peerMac: mac, owner },
      },
    },
    ...[...gateways].map((gateway): Operation => ({
      kind: 'address',
      params: { address: asHost(gateway), ifname: host.name },
    })),
    // The kernel asks for the container's MAC from a link-local address. One that it made itself would need DAD first, 2 s.
    ...(hasIpv6 && linkLocal !== undefined
      ? [{ kind: 'address', params: { address: `${linkLocal}/64`, ifname: host.name } } as const]
      : []),
    { kind: 'up', params: { ifname: host.name, linkLocal: false } },
    ...leases.map(({ address }): Operation => ({
      kind: 'route',
      params: { dst: asHost(withoutPrefix(address)), dev: host.name },
    })),
    // The container cannot send before its own end is up.
    withoutAdvertisements(host.name),
    ...forwarding(leases),
    ...containerPlan(container, leases, routes, { prefixRoute: false }),
    ...(network.masquerade ? masquerading(network.name, leases, owner) : []),
  ]
}

/** The routes of a container on such a cable: to the gateway, through it to the subnets, and then its configured `routes`. */
export function ptpRoutes(leases: readonly Lease[], routes: readonly ContainerRoute[]): ContainerRoute[] {
  const own: ContainerRoute[] = leases.flatMap(({ address, subnet, gateway }) =>
    gateway === undefined
      ? []
      : [
          { dst: asHost(gateway) },
          // What is link-local is on the cable, always.
          ...(subnet === asHost(withoutPrefix(address)) || subnet.startsWith('fe80:')
            ? []
            : [{ dst: subnet, gw: gateway }]),
        ],
  )
  // The rest of its subnets is behind the gateway, whatever else they say of it.
  return [
    ...own,
    ...routes.filter(
      ({ dst, table, priority }) =>
        table !== undefined || priority !== undefined || own.every((one) => one.dst !== dst),
    ),
  ]
}

/** An address as a prefix that contains only itself. */
function asHost(address: string): string {
  return `${address}/${bitsOf(isIpv6(address))}`
}
