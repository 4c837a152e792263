import { isIpv6, subnetOf } from '../ip-arithmetic.ts'
import type { Operation } from '../operations/registry.ts'
import { withoutPrefix } from './container.ts'

/** A port of the host, at all its addresses if `hostIP` is '', and the container's port that it leads to. */
export interface PortMapping {
  hostPort: number
  containerPort: number
  protocol: 'tcp' | 'udp' | 'sctp'
  hostIP: string
}

/** The ports of a container that are reachable through the host. */
export interface PortForwards {
  mappings: readonly PortMapping[]
  /** Whether to masquerade packets that otherwise would not be answered through the host. */
  masquerade: boolean
  /** Whether to masquerade everything. */
  masqueradeAll: boolean
}

/** The container that has the ports. */
interface Container {
  /** With prefixes; only the first one of each family counts. */
  addresses: readonly string[]
  owner: string
  /** The host's interface that leads to it; without one, 127.0.0.1 is not forwarded. */
  hostIfname: string | undefined
}

/** The words for all addresses of the host. */
export const EVERYWHERE: readonly string[] = ['', '0.0.0.0', '::']

/** Whether a port mapping can lead to this address of a container: both must be of one family. */
export function isFor({ hostIP }: PortMapping, address: string): boolean {
  return hostIP === '' || isIpv6(hostIP) === isIpv6(address)
}

/** The operations that forward a container's ports, for each address family that it has. */
export function portForwards(
  { mappings, masquerade, masqueradeAll }: PortForwards,
  { addresses, owner, hostIfname }: Container,
): Operation[] {
  const firsts = [addresses.find((one) => !isIpv6(one)), addresses.find(isIpv6)].flatMap((one) => one ?? [])
  const local = masquerade && hostIfname !== undefined
  const operations = firsts.flatMap((cidr): Operation[] => {
    const isSix = isIpv6(cidr)
    const address = withoutPrefix(cidr)
    const own = mappings.filter((mapping) => isFor(mapping, cidr))
    if (own.length === 0) return []
    const sources = masqueradeAll
      ? [isSix ? '::/0' : '0.0.0.0/0']
      : masquerade
        ? [subnetOf(cidr), ...(local && !isSix ? ['127.0.0.0/8'] : [])]
        : []
    return [
      { kind: 'port-forwarding', params: { family: isSix ? 'ip6' : 'ip' } },
      ...own.map(({ hostIP, hostPort, containerPort, protocol }): Operation => ({
        kind: 'port-forward',
        params: {
          protocol,
          ...(EVERYWHERE.includes(hostIP) ? {} : { hostIp: hostIP }),
          hostPort,
          address,
          containerPort,
          owner,
        },
      })),
      ...sources.map((source): Operation => ({ kind: 'forward-masquerade', params: { source, address, owner } })),
      // Packets from 127.0.0.1 leave through this interface, which the kernel refuses by default (networking/ip-sysctl).
      ...(local && !isSix
        ? [{ kind: 'sysctl', params: { key: localnetKey(hostIfname), value: '1' } } satisfies Operation]
        : []),
    ]
  })
  // A port at all addresses may be named for each family, too.
  const texts = operations.map((operation) => JSON.stringify(operation))
  return operations.filter((_, i) => texts.indexOf(texts[i] ?? '') === i)
}

function localnetKey(ifname: string): string {
  return `net.ipv4.conf.${ifname.replaceAll('.', '/')}.route_localnet`
}
