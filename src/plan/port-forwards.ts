import { isIpv6, subnetOf } from '../ip-arithmetic.ts'
import type { Operation } from '../operations/registry.ts'
import { bare } from './container.ts'

/** A port of the host, at all its addresses where `hostIP` is '', and the container's that it leads to. */
export interface PortMapping {
  hostPort: number
  containerPort: number
  protocol: 'tcp' | 'udp' | 'sctp'
  hostIP: string
}

/** The ports of a container that are to be reached by way of the host. */
export interface PortForwards {
  mappings: readonly PortMapping[]
  /** Masquerade what would not be answered by way of the host otherwise. */
  masquerade: boolean
  /** Masquerade everything. */
  masqueradeAll: boolean
}

/** Whose ports they are. */
interface Container {
  /** With their prefixes; of each family the first one counts. */
  addresses: readonly string[]
  owner: string
  /** The host's interface that leads to it; without one the host's 127.0.0.1 does not. */
  hostIfname: string | undefined
}

const everywhere = ['', '0.0.0.0', '::']

/** Whether a port at this address of the host can lead to this address of a container. */
export function isFor({ hostIP }: PortMapping, address: string): boolean {
  return hostIP === '' || isIpv6(hostIP) === isIpv6(address)
}

/** The rules that forward a container's ports, for each family that it has an address of. */
export function portForwards(
  { mappings, masquerade, masqueradeAll }: PortForwards,
  { addresses, owner, hostIfname }: Container,
): Operation[] {
  const firsts = [addresses.find((one) => !isIpv6(one)), addresses.find(isIpv6)].flatMap((one) => one ?? [])
  const local = masquerade && hostIfname !== undefined
  return firsts.flatMap((cidr): Operation[] => {
    const isSix = isIpv6(cidr)
    const address = bare(cidr)
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
          ...(everywhere.includes(hostIP) ? {} : { hostIp: hostIP }),
          hostPort,
          address,
          containerPort,
          owner,
        },
      })),
      ...sources.map((source): Operation => ({ kind: 'forward-masquerade', params: { source, address, owner } })),
      // Packets of 127.0.0.1 leave by this interface, which the kernel refuses otherwise (networking/ip-sysctl).
      ...(local && !isSix
        ? [{ kind: 'sysctl', params: { key: localnetKey(hostIfname), value: '1' } } satisfies Operation]
        : []),
    ]
  })
}

function localnetKey(ifname: string): string {
  return `net.ipv4.conf.${ifname.replaceAll('.', '/')}.route_localnet`
}
