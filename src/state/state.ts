/** One address on an interface, as `ip -j addr` reports it. */
export interface Address {
  family: 'inet' | 'inet6'
  address: string
  prefix: number
  scope: string
  /** Whether the kernel added a route to its subnet. */
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
  /** The other end of a veth in the same namespace; the parent of a VLAN interface. */
  peer: string | undefined
  /** The index of the other end of a veth, or of the parent, in another namespace. */
  peerIndex: number | undefined
  /** The id that this namespace has for the peer's namespace (rtnetlink(7), IFLA_LINK_NETNSID). */
  peerNetnsId: number | undefined
  /** The modes of a bridge port; undefined for an interface that is not a port. */
  port: { hairpin: boolean; isolated: boolean } | undefined
  /** Of a bridge: whether it filters VLANs. */
  vlanFiltering: boolean
  /** Of a VLAN interface: its VLAN id. */
  vlanId: number | undefined
  /** Of a macvlan interface: ip-link(8), `mode`. */
  macvlanMode: string | undefined
  /** Of an ipvlan interface, likewise. */
  ipvlanMode: string | undefined
  promiscuous: boolean
  /** Whether it accepts every multicast frame. */
  allMulticast: boolean
  /** How many packets may wait to be sent: ip-link(8), `txqueuelen`. */
  queueLength: number
  /** The VLANs of a bridge port as ranges; read only on request. */
  vlans: readonly { first: number; last: number; isUntagged: boolean }[]
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
  /** Among routes to the same destination, the lowest metric wins. */
  metric: number
  /** The MTU and the TCP segment size of this route, in bytes; undefined if the interface's apply. */
  mtu: number | undefined
  advmss: number | undefined
  /** `global`, `link`, or a number; IPv6 has none. */
  scope: string
  /** `kernel` for the routes that the kernel adds with an address. */
  protocol: string
}

/** One element of `nft -j list ruleset`, as nft prints it (libnftables-json(5)). */
export type NftObject = Readonly<Record<string, unknown>>

/** The name of the namespace in which the host itself lives. Reserved: no container may have it. */
export const HOST = 'host'
/** The name of the namespace beyond the sandbox's uplink. Reserved too. */
export const INTERNET = 'internet'
/** The sandbox's uplink (RFC 5737, TEST-NET-3): its gateway, which is the internet's end, and its own address. */
export const UPLINK = { gateway: '203.0.113.1', address: '203.0.113.2', prefix: 24, ifname: 'eth0' }

/** A snapshot of one network namespace. */
export interface Namespace {
  /** Inode of the namespace: its identity while the machine is up. 0 for the host's own. */
  inode: number
  /** When its file was created, in milliseconds since the epoch; 0 for the host's own. */
  since: number
  links: readonly Link[]
  /** The main table. */
  routes: readonly Route[]
  /** The other tables, which are used only through rules: ip-rule(8). */
  policyRoutes: readonly Route[]
  /** Per interface, and for `all` and `default`: is IPv4 / IPv6 forwarding on? */
  forwarding: { inet: Readonly<Record<string, boolean>>; inet6: Readonly<Record<string, boolean>> }
  rules: readonly NftObject[]
  /** The values of the requested sysctls. */
  sysctls: Readonly<Record<string, string>>
  /** Names of namespaces by the ids that this one has for them; read only if interface indices leave it open which veths are a pair. */
  netnsIds?: ReadonlyMap<number, string>
  /** Only on the host: the names of files in /run/netns that are not namespaces, such as those that a reboot leaves. */
  strays?: readonly string[]
  /** Those of the strays that are folders, which ip cannot remove. */
  folders?: readonly string[]
}

/**
 * A snapshot of the kernel: every named namespace, and the host's own under `host`.
 * A namespace that exists but was not read is `undefined`.
 */
export type State = ReadonlyMap<string, Namespace | undefined>

/** The namespaces that are neither the host's nor the internet's. */
export function containersOf(state: State): string[] {
  return [...state.keys()].filter((name) => name !== HOST && name !== INTERNET)
}

/** Finds an interface. `netns` undefined means the host. */
export function findLink(state: State, name: string, netns: string = HOST): Link | undefined {
  return state.get(netns)?.links.find((link) => link.name === name)
}

/** Finds an interface by name in any namespace, the host first. */
export function findLinkAnywhere(state: State, name: string): { link: Link; netns: string } | undefined {
  for (const [netns, namespace] of state) {
    const link = namespace?.links.find((candidate) => candidate.name === name)
    if (link) return { link, netns }
  }
  return undefined
}

/** The names of a bridge's ports; for a VLAN interface on a bridge, of the bridge's ports in that VLAN. */
export function portsOf(state: State, name: string, netns: string = HOST): string[] {
  const { peer = name, vlanId } = findLink(state, name, netns) ?? {}
  const ports = (state.get(netns)?.links ?? []).filter(({ master }) => master === (vlanId === undefined ? name : peer))
  return (vlanId === undefined ? ports : ports.filter((port) => isInVlan(port, vlanId))).map((port) => port.name)
}

/** Whether a bridge port belongs to a VLAN. */
export function isInVlan({ vlans }: Link, vlan: number): boolean {
  return vlans.some(({ first, last }) => first <= vlan && vlan <= last)
}

/** Whether this is the sandbox's uplink, which must stay where it is. */
export function isUplink(link: Link | undefined): boolean {
  // Anybody can give its address to lo, or to a bridge.
  return link?.kind === 'veth' && link.addresses.some(({ address }) => address === UPLINK.address)
}
