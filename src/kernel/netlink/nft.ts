import { be16, be32, message, u8 } from './message.ts'

// What both the writer and the reader of nftables' messages know: include/uapi/linux/netfilter/nf_tables.h, and nft(8)'s own
// numbers for types of data (include/datatype.h), which the kernel only keeps.

/** The part of netfilter that messages are for. */
const NFTABLES = 10

/** Messages of nftables. */
export const NFT = {
  newTable: 0,
  getTable: 1,
  deleteTable: 2,
  newChain: 3,
  getChain: 4,
  newRule: 6,
  getRule: 7,
  deleteRule: 8,
  newSet: 9,
  getSet: 10,
  newElements: 12,
  getElements: 13,
  deleteElements: 14,
  getGeneration: 16,
} as const

/** Messages around a transaction. */
export const BATCH = { begin: 0x10, end: 0x11 } as const

/** Where the attributes of a message begin: behind its header and struct nfgenmsg. */
export const BODY = 20

/** A message of nftables; the kernel wants them for a family of tables. */
export function nftMessage(type: number, flags: number, family: number, ...attributes: readonly Buffer[]): Buffer {
  return message((NFTABLES << 8) | type, flags, u8(family), u8(0), be16(0), ...attributes)
}

/** The beginning or the end of a transaction. */
export function batchMark(type: number, flags: number): Buffer {
  return message(type, flags, u8(0), u8(0), be16(NFTABLES))
}

/** The families of tables, by number. Of others there is nothing of ours. */
export const FAMILIES: readonly (readonly [string, number])[] = [
  ['ip', 2],
  ['ip6', 10],
  ['bridge', 7],
]

/** The hooks of chains, by number: the same in all these families. */
export const HOOKS = ['prerouting', 'input', 'forward', 'output', 'postrouting'] as const

/** A type of data in sets. */
export interface DataType {
  name: string
  id: number
  /** In bytes. */
  length: number
}

const IPV4: DataType = { name: 'ipv4_addr', id: 7, length: 4 }
const IPV6: DataType = { name: 'ipv6_addr', id: 8, length: 16 }
const MAC: DataType = { name: 'ether_addr', id: 9, length: 6 }
const PROTOCOL: DataType = { name: 'inet_proto', id: 12, length: 1 }
const PORT: DataType = { name: 'inet_service', id: 13, length: 2 }
/** The types of data that our rules compare. */
export const TYPES = { IPV4, IPV6, MAC, PROTOCOL, PORT } as const

/** The types of which our sets are. */
export const SET_TYPES: readonly DataType[] = [IPV4, IPV6, PROTOCOL, PORT]

/** How many bits the number of one type has in that of several together. */
export const TYPE_BITS = 6

/** The names of transport protocols in elements, by number. */
export const PROTOCOLS: readonly (readonly [string, number])[] = [
  ['tcp', 6],
  ['udp', 17],
  ['sctp', 132],
]

/** A part of packets. */
export interface Field {
  protocol: string
  field: string
  /** Where it is counted from: the link layer's header, the network layer's, or the transport layer's. */
  base: number
  offset: number
  type: DataType
  /** The number of the families in whose tables nft names it without further conditions; all without one. */
  family?: number
}

/** The parts of packets at which our rules look. */
export const FIELDS: readonly Field[] = [
  { protocol: 'ip', field: 'saddr', base: 1, offset: 12, type: IPV4, family: 2 },
  { protocol: 'ip', field: 'daddr', base: 1, offset: 16, type: IPV4, family: 2 },
  { protocol: 'ip6', field: 'saddr', base: 1, offset: 8, type: IPV6, family: 10 },
  { protocol: 'ip6', field: 'daddr', base: 1, offset: 24, type: IPV6, family: 10 },
  { protocol: 'ether', field: 'saddr', base: 0, offset: 6, type: MAC, family: 7 },
  { protocol: 'th', field: 'dport', base: 2, offset: 2, type: PORT },
]

/** What is known of a packet besides its bytes: NFT_META_*. */
export const META = { iifname: 6, l4proto: 16 } as const

/** What is known of a packet's connection: NFT_CT_STATUS. */
export const CT_STATUS = 2

/** The bit of that which says that the connection's destination was translated: IPS_DST_NAT. */
export const STATUS_DNAT = 0x20

/** A route lookup for the kind of the destination, and the kind `local`: NFT_FIB_RESULT_ADDRTYPE, NFTA_FIB_F_DADDR, RTN_LOCAL. */
export const FIB = { addrtype: 3, daddr: 2, local: 2 } as const

/** Where a rule that ends goes: NF_DROP, NF_ACCEPT, NFT_JUMP. */
export const VERDICTS = { drop: 0, accept: 1, jump: -3 } as const

/** Flags of sets: NFT_SET_*. */
export const SET = { interval: 0x4, map: 0x8, concat: 0x80 } as const

/** The register for what the word (of four bytes) `at` of a rule's memory begins: 16 bytes each, or four. */
export function registerAt(word: number): Buffer {
  return be32(word % 4 === 0 ? 1 + word / 4 : 8 + word)
}

/** The reverse of `registerAt`. */
export function wordOf(register: number): number {
  return register < 8 ? (register - 1) * 4 : register - 8
}

/** How many words of a rule's memory, or of a key of several parts, some bytes take. */
export function wordsFor(bytes: number): number {
  return Math.ceil(bytes / 4)
}
