import { CnilabError } from '../../errors.ts'
import { existsSync } from 'node:fs'
import type { Routed } from '../../state/parse.ts'
import type { Address, Link, Namespace, Route } from '../../state/state.ts'
import { AF, addressIn } from './addresses.ts'
import {
  attribute,
  attributesIn,
  FLAG,
  HEADER,
  message,
  readAttributes,
  readMac,
  readString,
  text,
  u16,
  u32,
  u8,
} from './message.ts'
import {
  IFA,
  IFA_FLAG,
  IFF,
  IFLA,
  INFO,
  KIND,
  linkHeader,
  IPVLAN_MODES,
  MACVLAN_MODES,
  PROTOCOLS,
  RTA,
  RTM,
  SCOPES,
  VLAN,
} from './route-commands.ts'
import type { NetlinkSocket } from './socket.ts'

/** What to leave out of links: RTEXT_FILTER_SKIP_STATS, and to put in: RTEXT_FILTER_BRVLAN_COMPRESSED. */
const [WITHOUT_STATISTICS, WITH_VLANS] = [8, 4]

const LIST = FLAG.request | FLAG.dump
/** Lengths of the fixed parts of messages: struct ifinfomsg, ifaddrmsg, rtmsg, netconfmsg. */
const [LINK, ADDRESS, ROUTE, NETCONF] = [HEADER + 16, HEADER + 8, HEADER + 12, HEADER + 4]

/** Reads links, addresses, routes and which links forward, in the socket's namespace. */
export function readAll(socket: NetlinkSocket): Routed {
  const request = message(
    RTM.getLink,
    LIST,
    linkHeader(AF.unspecified),
    attribute(IFLA.extMask, u32(WITHOUT_STATISTICS)),
  )
  const raw = socket.list(request)
  const addresses = Map.groupBy(readAddresses(socket, 0), ({ index }) => index)
  const names = new Map(raw.map((one) => [indexOf(one), nameIn(readAttributes(one, LINK))]))
  const nameOf = (index: number) => names.get(index)
  const routes = readRoutes(socket, nameOf)
  return {
    links: raw.map((one) =>
      toLink(
        one,
        (addresses.get(indexOf(one)) ?? []).map(({ address }) => address),
        nameOf,
      ),
    ),
    routes: routes.filter(({ table }) => table === 'main'),
    policyRoutes: routes.filter(({ table }) => table !== 'main'),
    forwarding: readForwarding(socket, nameOf),
  }
}

/** Reads some links, without routes; leaves out those that do not exist. */
export function readLinks(socket: NetlinkSocket, names: readonly string[], withForwarding: boolean): Routed {
  const known = new Map<number, string | undefined>()
  const nameOf = (index: number): string | undefined => {
    if (!known.has(index)) known.set(index, nameIn(readAttributes(readLink(socket, index), LINK)))
    return known.get(index)
  }
  const raw = names.flatMap((name) => readLink(socket, name) ?? [])
  for (const one of raw) known.set(indexOf(one), nameIn(readAttributes(one, LINK)))
  const links = raw.map((one) => {
    const index = indexOf(one)
    const own = readAddresses(socket, index).filter((found) => found.index === index) // an old kernel lists all
    return toLink(
      one,
      own.map(({ address }) => address),
      nameOf,
    )
  })
  const forwarding = withForwarding ? readForwarding(socket, nameOf) : { inet: {}, inet6: {} }
  return { links, routes: [], policyRoutes: [], forwarding }
}

/** The index of an interface; undefined if there is none of that name. */
export function indexByName(socket: NetlinkSocket, name: string): number | undefined {
  const found = readLink(socket, name)
  return found && indexOf(found)
}

/** The VLANs of bridge ports, by the port's name: those without a tag are the ones into which untagged frames go. */
export function readVlans(socket: NetlinkSocket): Map<string, Link['vlans']> {
  const request = message(RTM.getLink, LIST, linkHeader(AF.bridge), attribute(IFLA.extMask, u32(WITH_VLANS)))
  return new Map(
    socket.list(request).flatMap((one): [string, Link['vlans']][] => {
      const attributes = readAttributes(one, LINK)
      const vlans = toVlans(attributesIn(attributes.get(IFLA.afSpec) ?? Buffer.alloc(0)))
      const name = nameIn(attributes)
      return name === undefined || vlans.length === 0 ? [] : [[name, vlans]]
    }),
  )
}

/** The id that the socket's namespace has for another, of which this is an open descriptor; undefined if it has none. */
export function netnsIdOf(socket: NetlinkSocket, netns: number): number | undefined {
  const request = message(RTM.getNetnsId, FLAG.request | FLAG.ack, u8(0), u8(0), u16(0), attribute(3, u32(netns)))
  const [answer] = socket.ask([request])
  const id = readAttributes(answer?.messages[0], HEADER + 4)
    .get(1)
    ?.readInt32LE(0)
  return id === undefined || id < 0 ? undefined : id
}

function indexOf(link: Buffer): number {
  return link.readInt32LE(HEADER + 4)
}

function nameIn(attributes: ReadonlyMap<number, Buffer>): string | undefined {
  return readString(attributes.get(IFLA.name))
}

/** A link by its name or index; undefined if there is none. */
function readLink(socket: NetlinkSocket, which: string | number): Buffer | undefined {
  const header = linkHeader(AF.unspecified, typeof which === 'number' ? which : 0)
  const name = typeof which === 'string' ? [attribute(IFLA.name, text(which))] : []
  const mask = attribute(IFLA.extMask, u32(WITHOUT_STATISTICS))
  const [answer] = socket.ask([message(RTM.getLink, FLAG.request | FLAG.ack, header, ...name, mask)])
  if (!answer?.refusal) return answer?.messages[0]
  if (answer.refusal.errno === ENODEV) return undefined
  // A failed read must not be taken for a missing link, and the link created again.
  throw new CnilabError('state', `could not read the network: ${answer.refusal.words}`)
}

/** The error for a link that does not exist. */
const ENODEV = 19

function toLink(raw: Buffer, addresses: readonly Address[], nameOf: (index: number) => string | undefined): Link {
  const attributes = readAttributes(raw, LINK)
  const info = readAttributes(attributes.get(IFLA.info))
  const type = readString(info.get(INFO.kind)) ?? ''
  const data = readAttributes(info.get(INFO.data))
  const port = readString(info.get(INFO.slaveKind)) === 'bridge' ? readAttributes(info.get(INFO.slaveData)) : undefined
  const flags = raw.readUInt32LE(HEADER + 8)
  const [other, elsewhere] = [number(attributes.get(IFLA.link)), attributes.get(IFLA.netnsId)?.readInt32LE(0)]
  const master = number(attributes.get(IFLA.master))
  const mode = number(data.get(KIND.macvlanMode))
  return {
    index: indexOf(raw),
    name: nameIn(attributes) ?? '',
    kind: type,
    up: (flags & IFF.up) !== 0,
    mac: macIn(attributes.get(IFLA.address)),
    mtu: number(attributes.get(IFLA.mtu)) ?? 0,
    master: master === undefined ? undefined : nameOf(master),
    alias: readString(attributes.get(IFLA.alias)),
    peer: other === undefined || other === 0 || elsewhere !== undefined ? undefined : nameOf(other),
    peerIndex: elsewhere === undefined || other === 0 ? undefined : other,
    peerNetnsId: elsewhere === undefined || elsewhere < 0 ? undefined : elsewhere,
    port: port && {
      hairpin: port.get(KIND.portHairpin)?.[0] === 1,
      isolated: port.get(KIND.portIsolated)?.[0] === 1,
    },
    vlanFiltering: type === 'bridge' && data.get(KIND.bridgeVlanFiltering)?.[0] === 1,
    vlanId: type === 'vlan' ? data.get(KIND.vlanId)?.readUInt16LE(0) : undefined,
    macvlanMode: type === 'macvlan' && mode !== undefined ? nameFor(MACVLAN_MODES, mode) : undefined,
    ipvlanMode: type === 'ipvlan' ? ipvlanMode(data.get(KIND.ipvlanMode)) : undefined,
    promiscuous: (flags & IFF.promiscuous) !== 0,
    allMulticast: (flags & IFF.allMulticast) !== 0,
    queueLength: number(attributes.get(IFLA.queueLength)) ?? 0,
    vlans: [],
    addresses,
  }
}

function ipvlanMode(bytes: Buffer | undefined): string | undefined {
  return bytes && nameFor(IPVLAN_MODES, bytes.readUInt16LE(0))
}

/** A hardware address; tunnels have addresses of IP. */
function macIn(bytes: Buffer | undefined): string {
  if (bytes === undefined) return ''
  return bytes.length === 4 || bytes.length === 16 ? addressIn(bytes) : readMac(bytes)
}

function number(bytes: Buffer | undefined): number | undefined {
  return bytes && bytes.length >= 4 ? bytes.readUInt32LE(0) : undefined
}

/** The name that has a number; the number, if none has it. */
function nameFor(names: Readonly<Record<string, number>>, value: number): string {
  return Object.entries(names).find(([, one]) => one === value)?.[0] ?? String(value)
}

/** The addresses of one interface, or of all with 0. */
function readAddresses(socket: NetlinkSocket, only: number): { index: number; address: Address }[] {
  const request = message(RTM.getAddress, LIST, u8(AF.unspecified), u8(0), u8(0), u8(0), u32(only))
  return socket.list(request).flatMap((raw): { index: number; address: Address }[] => {
    const [family, prefix, scope] = [raw[HEADER] ?? 0, raw[HEADER + 1] ?? 0, raw[HEADER + 3] ?? 0]
    const attributes = readAttributes(raw, ADDRESS)
    const bytes = attributes.get(IFA.local) ?? attributes.get(IFA.address)
    if (bytes === undefined || (family !== AF.inet && family !== AF.inet6)) return []
    const flags = number(attributes.get(IFA.flags)) ?? raw[HEADER + 2] ?? 0
    return [
      {
        index: raw.readUInt32LE(HEADER + 4),
        address: {
          family: family === AF.inet ? 'inet' : 'inet6',
          address: addressIn(bytes),
          prefix,
          scope: nameFor(SCOPES, scope),
          prefixRoute: (flags & IFA_FLAG.noPrefixRoute) === 0,
        },
      },
    ]
  })
}

/** The tables that have names, and the one that is left out: it comes and goes with the addresses. */
const TABLES: Readonly<Record<number, string>> = { 253: 'default', 254: 'main' }
const LOCAL = 255
const UNICAST = 1

function readRoutes(socket: NetlinkSocket, nameOf: (index: number) => string | undefined): Route[] {
  const header = Buffer.alloc(ROUTE - HEADER)
  return socket.list(message(RTM.getRoute, LIST, header)).flatMap((raw): Route[] => {
    const [family = 0, length = 0] = raw.subarray(HEADER)
    const [small = 0, protocol = 0, scope = 0, type = 0] = raw.subarray(HEADER + 4)
    const attributes = readAttributes(raw, ROUTE)
    const table = number(attributes.get(RTA.table)) ?? small
    if (table === LOCAL || type !== UNICAST || (family !== AF.inet && family !== AF.inet6)) return []
    const destination = attributes.get(RTA.destination)
    const metrics = readAttributes(attributes.get(RTA.metrics))
    const isWhole = destination !== undefined && length === destination.length * 8
    return hopsOf(attributes).map((hop): Route => ({
      family: family === AF.inet ? 'inet' : 'inet6',
      dst: destination === undefined ? 'default' : `${addressIn(destination)}${isWhole ? '' : `/${length}`}`,
      via: hop.gateway && addressIn(hop.gateway),
      dev: hop.index === undefined ? undefined : nameOf(hop.index),
      table: TABLES[table] ?? String(table),
      metric: number(attributes.get(RTA.priority)) ?? 0,
      mtu: number(metrics.get(RTA.mtu)),
      advmss: number(metrics.get(RTA.advmss)),
      scope: nameFor(SCOPES, scope),
      protocol: PROTOCOLS[protocol] ?? PROTOCOL_NAMES[protocol] ?? String(protocol),
    }))
  })
}

/** The protocols of routes that daemons use, as ip(8) names them: /etc/iproute2/rt_protos. */
const PROTOCOL_NAMES: Readonly<Record<number, string>> = {
  8: 'gated',
  9: 'ra',
  10: 'mrt',
  11: 'zebra',
  12: 'bird',
  13: 'dnrouted',
  14: 'xorp',
  15: 'ntk',
  16: 'dhcp',
  18: 'keepalived',
  42: 'babel',
  186: 'bgp',
  187: 'isis',
  188: 'ospf',
  189: 'rip',
  192: 'eigrp',
}

interface Hop {
  gateway: Buffer | undefined
  index: number | undefined
}

/** The ways of a route: one, or several: struct rtnexthop, each with its gateway. */
function hopsOf(attributes: ReadonlyMap<number, Buffer>): Hop[] {
  const several = attributes.get(RTA.multipath)
  if (!several) return [{ gateway: attributes.get(RTA.gateway), index: number(attributes.get(RTA.outgoing)) }]
  const hops: Hop[] = []
  for (let at = 0; at + 8 <= several.length;) {
    const length = several.readUInt16LE(at)
    if (length < 8) break
    const own = readAttributes(several.subarray(at, at + length), 8)
    hops.push({ gateway: own.get(RTA.gateway), index: several.readUInt32LE(at + 4) })
    at += (length + 3) & ~3
  }
  return hops
}

/** Attributes and indices of RTM_GETNETCONF: netconf(8)'s `all` and `default`. */
const NETCONFA = { index: 1, forwarding: 2 }
const NAMED: Readonly<Record<number, string>> = { [-1]: 'all', [-2]: 'default' }

function readForwarding(socket: NetlinkSocket, nameOf: (index: number) => string | undefined): Namespace['forwarding'] {
  const of = (family: number) => {
    const request = message(RTM.getNetconf, LIST, u8(family), u8(0), u16(0))
    const entries = socket.list(request).flatMap((raw): [string, boolean][] => {
      const attributes = readAttributes(raw, NETCONF)
      const index = attributes.get(NETCONFA.index)?.readInt32LE(0) ?? 0
      const name = NAMED[index] ?? nameOf(index)
      const forwarding = attributes.get(NETCONFA.forwarding)?.readInt32LE(0)
      return name === undefined || raw[HEADER] !== family ? [] : [[name, forwarding === 1]]
    })
    return Object.fromEntries(entries)
  }
  return { inet: of(AF.inet), inet6: existsSync('/proc/sys/net/ipv6') ? of(AF.inet6) : {} }
}

/** The VLANs among the attributes of a port, in ranges: struct bridge_vlan_info. */
function toVlans(attributes: readonly { type: number; data: Buffer }[]): Link['vlans'] {
  const vlans: { first: number; last: number; isUntagged: boolean }[] = []
  let first: number | undefined
  for (const { type, data } of attributes) {
    if (type !== VLAN.attribute) continue
    const [flags, vid] = [data.readUInt16LE(0), data.readUInt16LE(2)]
    if ((flags & VLAN.rangeBegin) !== 0) first = vid
    else {
      vlans.push({ first: first ?? vid, last: vid, isUntagged: (flags & VLAN.pvid) !== 0 })
      first = undefined
    }
  }
  return vlans
}
