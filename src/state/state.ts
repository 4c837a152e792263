/** One address on an interface, as `ip -j addr` reports it. */
export interface Address {
  family: 'inet' | 'inet6'
  address: string
  prefix: number
  scope: string
  /** Whether the kernel made a route to its subnet. */
  prefixRoute: boolean
}

/** One network interface. `kind` is the kernel's (`bridge`, `veth`, …); '' for lo and for hardware. */
export interface Link {
  index: number
  name: string
  kind: string
  up: boolean
  mac: string
  mtu: number
  master: string | undefined
  alias: string | undefined
  /** A veth's other end, if that is in the same namespace; of a VLAN's interface, what it lies on. */
  peer: string | undefined
  /** The index of a veth's other end, if that is in another namespace. */
  peerIndex: number | undefined
  /** The number by which its namespace knows the one that the other end is in (rtnetlink(7), IFLA_LINK_NETNSID). */
  peerNetnsId: number | undefined
  /** The modes of a bridge's port; undefined for anything that is not a port. */
  port: { hairpin: boolean; isolated: boolean } | undefined
  /** Of a bridge: whether it keeps VLANs apart. */
  vlanFiltering: boolean
  /** Of a VLAN's interface: the VLAN's number. */
  vlanId: number | undefined
  /** Of a macvlan interface: ip-link(8), `mode`. */
  macvlanMode: string | undefined
  promiscuous: boolean
  /** The VLANs of a bridge's port, first and last of each range; read only where they are asked for. */
  vlans: readonly { first: number; last: number; isUntagged: boolean }[]
  /** Whether the kernel gives it an IPv6 link-local address by itself when it comes up. */
  linkLocal: boolean
  addresses: readonly Address[]
}

/** One route. `dst` is `default` or a prefix. */
export interface Route {
  family: 'inet' | 'inet6'
  dst: string
  via: string | undefined
  dev: string | undefined
  /** `main`, or the number of another table. */
  table: string
  /** Of routes to one destination the one with the lowest counts. */
  metric: number
  /** The largest packet, and the largest segment of TCP, that it takes; undefined for those of the interface. */
  mtu: number | undefined
  advmss: number | undefined
  /** `global`, `link`, or a number; IPv6 has none. */
  scope: string
  /** `kernel` for the routes that come by themselves with an address. */
  protocol: string
}

/** One element of `nft -j list ruleset`, as nft prints it (libnftables-json(5)). */
export type NftObject = Readonly<Record<string, unknown>>

/** The name of the namespace in which the host itself lives. Reserved: no container may have it. */
export const HOST = 'host'
/** The name of the namespace beyond the sandbox's uplink. Reserved too. */
export const INTERNET = 'internet'
/** The sandbox's uplink (RFC 5737, TEST-NET-3): the internet's address, its gateway, and its own. */
export const UPLINK = { gateway: '203.0.113.1', address: '203.0.113.2', prefix: 24, ifname: 'eth0' }

/** What was read of one network namespace. */
export interface Namespace {
  /** Inode of the namespace: its identity while the machine is up. 0 for the host's own. */
  inode: number
  /** When its file was made, in milliseconds since the epoch; 0 for the host's own. */
  since: number
  links: readonly Link[]
  /** Those of the main table. */
  routes: readonly Route[]
  /** Those of other tables, which only rules lead to: ip-rule(8). */
  policyRoutes: readonly Route[]
  /** Per interface, and for `all` and `default`: is IPv4 / IPv6 forwarding on? */
  forwarding: { inet: Readonly<Record<string, boolean>>; inet6: Readonly<Record<string, boolean>> }
  rules: readonly NftObject[]
  /** Values of the sysctls that were asked for. */
  sysctls: Readonly<Record<string, string>>
  /** The names of the namespaces that it knows by number; read only where indices do not tell whose cables are whose. */
  netnsIds?: ReadonlyMap<number, string>
  /** Of the host: the names of files in /run/netns that are no namespaces, such as those that a restart leaves. */
  strays?: readonly string[]
}

/**
 * A snapshot of the kernel: every named namespace, and the host's own under `host`.
 * The key names a namespace of this host today; a namespace of another node will be `node/name`.
 * A namespace that exists but was not read is `undefined`.
 */
export type State = ReadonlyMap<string, Namespace | undefined>

/** Finds an interface. `netns` undefined means the host. */
export function findLink(state: State, name: string, netns: string = HOST): Link | undefined {
  return state.get(netns)?.links.find((link) => link.name === name)
}

/** Finds an interface of this name wherever it went, the host first. */
export function findLinkAnywhere(state: State, name: string): { link: Link; netns: string } | undefined {
  for (const [netns, namespace] of state) {
    const link = namespace?.links.find((candidate) => candidate.name === name)
    if (link) return { link, netns }
  }
  return undefined
}

/** Who relies on an interface: the ports of a bridge; of a VLAN of a bridge, the ports in that VLAN. Returns names. */
export function portsOf(state: State, name: string, netns: string = HOST): string[] {
  const { peer = name, vlanId } = findLink(state, name, netns) ?? {}
  const ports = (state.get(netns)?.links ?? []).filter(({ master }) => master === (vlanId === undefined ? name : peer))
  return (vlanId === undefined ? ports : ports.filter((port) => isInVlan(port, vlanId))).map((port) => port.name)
}

/** Whether a bridge's port belongs to a VLAN. */
export function isInVlan({ vlans }: Link, vlan: number): boolean {
  return vlans.some(({ first, last }) => first <= vlan && vlan <= last)
}

/** Whether this is the sandbox's own way out, which stays where it is. */
export function isUplink(link: Link | undefined): boolean {
  return link?.addresses.some(({ address }) => address === UPLINK.address) === true
}
