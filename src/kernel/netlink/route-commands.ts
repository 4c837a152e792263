import type { Command } from '../../operations/operation.ts'
import { AF, readPrefix } from './addresses.ts'
import { attribute, FLAG, macBytes, message, nested, text, u16, u32, u8 } from './message.ts'

/** Types of messages: rtnetlink(7). */
export const RTM = {
  newLink: 16,
  deleteLink: 17,
  getLink: 18,
  setLink: 19,
  newAddress: 20,
  deleteAddress: 21,
  getAddress: 22,
  newRoute: 24,
  deleteRoute: 25,
  getRoute: 26,
  getNetconf: 82,
  getNetnsId: 90,
} as const

/** Attributes of links: include/uapi/linux/if_link.h. */
export const IFLA = {
  address: 1,
  name: 3,
  mtu: 4,
  link: 5,
  master: 10,
  queueLength: 13,
  info: 18,
  alias: 20,
  afSpec: 26,
  netnsFd: 28,
  extMask: 29,
  netnsId: 37,
} as const

/** What IFLA_LINKINFO holds: the kind of a link, and as what it is a port. */
export const INFO = { kind: 1, data: 2, slaveKind: 4, slaveData: 5 } as const

/** What IFLA_AF_SPEC of AF_INET6 holds. */
const ADDRESS_GENERATION = 8

/** What the links of one kind hold. */
export const KIND = {
  bridgeVlanFiltering: 7,
  portHairpin: 4,
  portIsolated: 33,
  vlanId: 1,
  macvlanMode: 1,
  ipvlanMode: 1,
  macvlanQueue: 7,
  vethPeer: 1,
}

/** Attributes of addresses: include/uapi/linux/if_addr.h. */
export const IFA = { address: 1, local: 2, broadcast: 4, flags: 8 } as const
/** Attributes of routes: include/uapi/linux/rtnetlink.h; the last two are in RTA_METRICS. */
export const RTA = {
  destination: 1,
  outgoing: 4,
  gateway: 5,
  priority: 6,
  metrics: 8,
  multipath: 9,
  table: 15,
  mtu: 2,
  advmss: 8,
} as const

/** Flags of interfaces: netdevice(7). */
export const IFF = { up: 0x1, promiscuous: 0x100, allMulticast: 0x200 } as const

/** Flags of addresses: no duplicate detection, and no route to the subnet. */
export const IFA_FLAG = { nodad: 0x02, noPrefixRoute: 0x200 } as const

/** What a VLAN of a port is: include/uapi/linux/if_bridge.h. */
export const VLAN = { attribute: 2, flags: 0, self: 2, pvid: 2, untagged: 4, rangeBegin: 8, rangeEnd: 16 } as const

/** The modes of macvlan interfaces by the kernel's numbers: enum macvlan_mode. */
export const MACVLAN_MODES: Readonly<Record<string, number>> = {
  private: 1,
  vepa: 2,
  bridge: 4,
  passthru: 8,
  source: 16,
}

/** The modes of ipvlan interfaces: enum ipvlan_mode. */
export const IPVLAN_MODES: Readonly<Record<string, number>> = { l2: 0, l3: 1, l3s: 2 }

/** The names of protocols of routes that ip(8) knows by itself. */
export const PROTOCOLS: readonly (string | undefined)[] = ['unspec', 'redirect', 'kernel', 'boot', 'static']

/** Scopes: include/uapi/linux/rtnetlink.h. */
export const SCOPES: Readonly<Record<string, number>> = { global: 0, site: 200, link: 253, host: 254, nowhere: 255 }

const MAIN = 254
const UNICAST = 1

/** What a command needs to know of the kernel, in the namespace in which it acts. */
export interface Lookup {
  /** The index of an interface; undefined if there is none of that name. */
  index: (ifname: string) => number | undefined
  /** An open descriptor of a namespace by its name or path; of the host's for HOST_PID. Throws if there is none. */
  netns: (name: string) => number
}

/** The message that does the same as a command, or what is said against it; undefined if the command is not understood. */
export type Translation = { request: Buffer } | { refusal: string } | undefined

/**
 * The rtnetlink message that makes the change of one command of ip(8) or bridge(8). Understands what operations write, and
 * nothing that it would have to guess at.
 */
export function toRouteMessage({ tool, argv }: Command, look: Lookup): Translation {
  const [object, verb, ...words] = argv
  const act = `${tool} ${object ?? ''} ${verb ?? ''}`
  try {
    if (act === 'ip link add') return addLink(new Words(words), look)
    if (act === 'ip link set') return setLink(new Words(words), look)
    if (act === 'ip link delete') return deleteLink(new Words(words), look)
    if (act === 'ip address add' || act === 'ip address delete')
      return changeAddress(act === 'ip address add', new Words(words), look)
    if (act === 'ip route add' || act === 'ip route delete')
      return changeRoute(act === 'ip route add', new Words(words), look)
    if (act === 'bridge vlan add' || act === 'bridge vlan del')
      return changeVlan(act === 'bridge vlan add', new Words(words), look)
    return undefined
  } catch (error) {
    if (error instanceof NotUnderstood) return undefined
    if (error instanceof NoSuchLink) return { refusal: error.message }
    throw error
  }
}

class NotUnderstood extends Error {}
class NoSuchLink extends Error {}

/** The words of a command, read from the left. */
class Words {
  private at = 0
  private readonly words: readonly string[]

  constructor(words: readonly string[]) {
    this.words = words
  }

  /** The next word; undefined at the end. */
  next(): string | undefined {
    const word = this.words[this.at]
    this.at += 1
    return word
  }

  /** The value that must follow. */
  value(): string {
    const word = this.next()
    if (word === undefined) throw new NotUnderstood()
    return word
  }

  number(): number {
    const word = this.value()
    if (!/^\d{1,10}$/.test(word)) throw new NotUnderstood()
    return Number(word)
  }

  expect(word: string): void {
    if (this.next() !== word) throw new NotUnderstood()
  }

  expectEnd(): void {
    if (this.next() !== undefined) throw new NotUnderstood()
  }
}

/** One of several words, as a number. */
function among(values: Readonly<Record<string, number>>, word: string): number {
  const value = values[word]
  if (value === undefined) throw new NotUnderstood()
  return value
}

const ON_OFF = { off: 0, on: 1 }

function indexOf(ifname: string, look: Lookup): number {
  const index = look.index(ifname)
  if (index === undefined) throw new NoSuchLink(`Cannot find device "${ifname}"`)
  return index
}

/** struct ifinfomsg. */
export function linkHeader(family: number, index = 0, flags = 0, change = 0): Buffer {
  return Buffer.concat([u8(family), u8(0), u16(0), u32(index), u32(flags), u32(change)])
}

/** A link to be made: `name N [netns NS] [address MAC] [mtu BYTES]`, up to the word `end`. */
function newLink(words: Words, look: Lookup, end: string | undefined): Buffer[] {
  const attributes: Buffer[] = []
  for (;;) {
    const word = words.next()
    if (word === end) return attributes
    if (word === 'link') attributes.push(attribute(IFLA.link, u32(indexOf(words.value(), look))))
    else if (word === 'name') attributes.push(attribute(IFLA.name, text(words.value())))
    else if (word === 'netns') attributes.push(attribute(IFLA.netnsFd, u32(look.netns(words.value()))))
    else if (word === 'address') attributes.push(attribute(IFLA.address, macBytes(words.value())))
    else if (word === 'mtu') attributes.push(attribute(IFLA.mtu, u32(words.number())))
    else throw new NotUnderstood()
  }
}

function addLink(words: Words, look: Lookup): Translation {
  const attributes = newLink(words, look, 'type')
  const type = words.value()
  const data = typeData(type, words, look)
  const info = nested(IFLA.info, attribute(INFO.kind, Buffer.from(type)), ...data)
  const flags = FLAG.request | FLAG.ack | FLAG.create | FLAG.exclusive
  return { request: message(RTM.newLink, flags, linkHeader(AF.unspecified), ...attributes, info) }
}

/** The rest of `ip link add`, after the type. */
function typeData(type: string, words: Words, look: Lookup): Buffer[] {
  if (type === 'veth') {
    words.expect('peer')
    const peer = newLink(words, look, undefined)
    return [nested(INFO.data, nested(KIND.vethPeer, linkHeader(AF.unspecified), ...peer))]
  }
  const options: Buffer[] = []
  for (let option = words.next(); option !== undefined; option = words.next())
    options.push(typeOption(`${type} ${option}`, words))
  if (options.length > 0) return [nested(INFO.data, ...options)]
  if (type !== 'bridge' && type !== 'dummy') throw new NotUnderstood()
  return []
}

function typeOption(what: string, words: Words): Buffer {
  if (what === 'bridge vlan_filtering')
    return attribute(KIND.bridgeVlanFiltering, u8(among({ 0: 0, 1: 1 }, words.value())))
  if (what === 'vlan id') return attribute(KIND.vlanId, u16(words.number()))
  if (what === 'macvlan mode') return attribute(KIND.macvlanMode, u32(among(MACVLAN_MODES, words.value())))
  if (what === 'ipvlan mode') return attribute(KIND.ipvlanMode, u16(among(IPVLAN_MODES, words.value())))
  if (what === 'macvlan bcqueuelen') return attribute(KIND.macvlanQueue, u32(words.number()))
  throw new NotUnderstood()
}

function setLink(words: Words, look: Lookup): Translation {
  words.expect('dev')
  const index = indexOf(words.value(), look)
  const attributes: Buffer[] = []
  let [flags, change] = [0, 0]
  const flag = (bit: number, isOn: boolean) => {
    change |= bit
    if (isOn) flags |= bit
  }
  for (let word = words.next(); word !== undefined; word = words.next()) {
    if (word === 'up' || word === 'down') flag(IFF.up, word === 'up')
    else if (word === 'promisc') flag(IFF.promiscuous, among(ON_OFF, words.value()) === 1)
    else if (word === 'allmulticast') flag(IFF.allMulticast, among(ON_OFF, words.value()) === 1)
    else if (word === 'master') attributes.push(attribute(IFLA.master, u32(indexOf(words.value(), look))))
    else if (word === 'nomaster') attributes.push(attribute(IFLA.master, u32(0)))
    else if (word === 'address') attributes.push(attribute(IFLA.address, macBytes(words.value())))
    else if (word === 'txqueuelen') attributes.push(attribute(IFLA.queueLength, u32(words.number())))
    else if (word === 'alias') attributes.push(attribute(IFLA.alias, Buffer.from(words.value())))
    else if (word === 'mtu') attributes.push(attribute(IFLA.mtu, u32(words.number())))
    else if (word === 'name') attributes.push(attribute(IFLA.name, text(words.value())))
    else if (word === 'netns') attributes.push(attribute(IFLA.netnsFd, u32(look.netns(words.value()))))
    else if (word === 'addrgenmode') attributes.push(addressGeneration(among({ eui64: 0, none: 1 }, words.value())))
    else if (word === 'type') attributes.push(typeOptions(words))
    else throw new NotUnderstood()
  }
  const header = linkHeader(AF.unspecified, index, flags, change)
  return { request: message(RTM.newLink, FLAG.request | FLAG.ack, header, ...attributes) }
}

function addressGeneration(mode: number): Buffer {
  return nested(IFLA.afSpec, nested(AF.inet6, attribute(ADDRESS_GENERATION, u8(mode))))
}

/** `type bridge vlan_filtering 1`, or `type bridge_slave hairpin on isolated off`: the rest of the command. */
function typeOptions(words: Words): Buffer {
  const type = words.value()
  const options: Buffer[] = []
  for (let word = words.next(); word !== undefined; word = words.next())
    if (type === 'bridge' && word === 'vlan_filtering')
      options.push(attribute(KIND.bridgeVlanFiltering, u8(among({ 0: 0, 1: 1 }, words.value()))))
    else if (type === 'bridge_slave' && word === 'hairpin')
      options.push(attribute(KIND.portHairpin, u8(among(ON_OFF, words.value()))))
    else if (type === 'bridge_slave' && word === 'isolated')
      options.push(attribute(KIND.portIsolated, u8(among(ON_OFF, words.value()))))
    else throw new NotUnderstood()
  if (options.length === 0) throw new NotUnderstood()
  const [kind, data] = type === 'bridge' ? [INFO.kind, INFO.data] : [INFO.slaveKind, INFO.slaveData]
  return nested(IFLA.info, attribute(kind, Buffer.from('bridge')), nested(data, ...options))
}

function deleteLink(words: Words, look: Lookup): Translation {
  words.expect('dev')
  const index = indexOf(words.value(), look)
  words.expectEnd()
  return { request: message(RTM.deleteLink, FLAG.request | FLAG.ack, linkHeader(AF.unspecified, index)) }
}

/** `10.22.0.2/16 dev eth0 [broadcast ADDRESS] [nodad] [noprefixroute]`. */
function changeAddress(isNew: boolean, words: Words, look: Lookup): Translation {
  const prefix = readPrefix(words.value())
  if (!prefix) throw new NotUnderstood()
  words.expect('dev')
  const index = indexOf(words.value(), look)
  let flags = 0
  let broadcast: Buffer | undefined
  for (let word = words.next(); word !== undefined; word = words.next())
    if (isNew && word === 'nodad') flags |= IFA_FLAG.nodad
    else if (isNew && word === 'noprefixroute') flags |= IFA_FLAG.noPrefixRoute
    else if (isNew && word === 'broadcast') broadcast = readPrefix(words.value())?.bytes
    else throw new NotUnderstood()
  const { family, bytes, length } = prefix
  // As ip(8): 127.0.0.0/8 is good on the host only. To delete an address, the kernel looks at no scope.
  const scope = isNew && family === AF.inet && bytes[0] === 127 ? among(SCOPES, 'host') : 0
  const header = Buffer.concat([u8(family), u8(length), u8(flags & 0xff), u8(scope), u32(index)])
  const type = isNew ? RTM.newAddress : RTM.deleteAddress
  const request = FLAG.request | FLAG.ack | (isNew ? FLAG.create | FLAG.exclusive : 0)
  return {
    request: message(
      type,
      request,
      header,
      attribute(IFA.local, bytes),
      attribute(IFA.address, bytes),
      ...(broadcast ? [attribute(IFA.broadcast, broadcast)] : []),
      ...(flags > 0xff ? [attribute(IFA.flags, u32(flags))] : []),
    ),
  }
}

/** `DST [via GATEWAY] [dev IFNAME] [metric N] [table N] [scope S] [proto P] [mtu N] [advmss N]`. */
function changeRoute(isNew: boolean, words: Words, look: Lookup): Translation {
  const to = words.value()
  const attributes: Buffer[] = []
  const metrics: Buffer[] = []
  let family = to === 'default' ? undefined : readPrefix(to)?.family
  let [table, protocol, isVia]: [number, number, boolean] = [MAIN, isNew ? 3 : 0, false]
  let scope: number | undefined
  for (let word = words.next(); word !== undefined; word = words.next())
    if (word === 'via') {
      const gateway = readPrefix(words.value())
      if (!gateway || (family ?? gateway.family) !== gateway.family) throw new NotUnderstood()
      ;({ family } = gateway)
      isVia = true
      attributes.push(attribute(RTA.gateway, gateway.bytes))
    } else if (word === 'dev') attributes.push(attribute(RTA.outgoing, u32(indexOf(words.value(), look))))
    else if (word === 'metric') attributes.push(attribute(RTA.priority, u32(words.number())))
    else if (word === 'table') table = words.number()
    else if (word === 'scope') scope = numberOr(SCOPES, words.value())
    else if (word === 'proto') protocol = numberOr(Object.fromEntries(protocols()), words.value())
    else if (isNew && word === 'mtu') metrics.push(attribute(RTA.mtu, u32(words.number())))
    else if (isNew && word === 'advmss') metrics.push(attribute(RTA.advmss, u32(words.number())))
    else throw new NotUnderstood()
  const isSix = family === AF.inet6
  const destination = readPrefix(to === 'default' ? (isSix ? '::/0' : '0.0.0.0/0') : to)
  if (!destination) throw new NotUnderstood()
  // As ip(8): without a gateway, IPv4's destinations are on the cable; for a deletion, any scope will do.
  const usual = isSix ? SCOPES['global'] : isNew ? (isVia ? SCOPES['global'] : SCOPES['link']) : SCOPES['nowhere']
  const header = Buffer.from([
    destination.family,
    destination.length,
    0, // source prefix
    0, // type of service
    table < 256 ? table : 0,
    protocol,
    scope ?? usual ?? 0,
    isNew ? UNICAST : 0,
  ])
  const flags = FLAG.request | FLAG.ack | (isNew ? FLAG.create | FLAG.exclusive : 0)
  return {
    request: message(
      isNew ? RTM.newRoute : RTM.deleteRoute,
      flags,
      header,
      u32(0), // flags of the route
      ...(destination.length === 0 ? [] : [attribute(RTA.destination, destination.bytes)]),
      ...attributes,
      ...(table < 256 ? [] : [attribute(RTA.table, u32(table))]),
      ...(metrics.length === 0 ? [] : [nested(RTA.metrics, ...metrics)]),
    ),
  }
}

function protocols(): [string, number][] {
  return PROTOCOLS.flatMap((name, number): [string, number][] => (name === undefined ? [] : [[name, number]]))
}

/** A number, or a name for one. */
function numberOr(names: Readonly<Record<string, number>>, word: string): number {
  return /^\d{1,3}$/.test(word) && Number(word) < 256 ? Number(word) : among(names, word)
}

/** `dev IFNAME vid FIRST[-LAST] [pvid] [untagged] [self]`. */
function changeVlan(isNew: boolean, words: Words, look: Lookup): Translation {
  words.expect('dev')
  const index = indexOf(words.value(), look)
  words.expect('vid')
  const [, first = '', last = first] = /^(\d{1,4})(?:-(\d{1,4}))?$/.exec(words.value()) ?? []
  if (first === '') throw new NotUnderstood()
  let [flags, isSelf] = [0, false]
  for (let word = words.next(); word !== undefined; word = words.next())
    if (word === 'pvid') flags |= VLAN.pvid
    else if (word === 'untagged') flags |= VLAN.untagged
    else if (word === 'self') isSelf = true
    else throw new NotUnderstood()
  const vlan = (vid: string, more: number) => attribute(VLAN.attribute, u16(flags | more), u16(Number(vid)))
  const vlans = first === last ? [vlan(first, 0)] : [vlan(first, VLAN.rangeBegin), vlan(last, VLAN.rangeEnd)]
  const self = isSelf ? [attribute(VLAN.flags, u16(VLAN.self))] : []
  const type = isNew ? RTM.setLink : RTM.deleteLink
  const header = linkHeader(AF.bridge, index)
  return { request: message(type, FLAG.request | FLAG.ack, header, nested(IFLA.afSpec, ...self, ...vlans)) }
}
