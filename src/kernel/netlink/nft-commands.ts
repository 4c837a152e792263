import { numberOf } from '../../ip-arithmetic.ts'
import type { Command } from '../../operations/operation.ts'
import { attribute, be16, be32, FLAG, macBytes, nested, text, u32, u8 } from './message.ts'
import {
  BATCH,
  batchMark,
  CT_STATUS,
  type DataType,
  FAMILIES,
  FIB,
  type Field,
  FIELDS,
  HOOKS,
  META,
  NFT,
  nftMessage,
  PROTOCOLS,
  registerAt,
  SET,
  SET_TYPES,
  STATUS_DNAT,
  TYPE_BITS,
  TYPES,
  VERDICTS,
  wordsFor,
} from './nft.ts'

/** What a socket takes at once; a longer transaction is left to nft. */
const MOST = 128 * 1024

/**
 * The messages with which nft(8) would do these commands, all or none of them, for the namespace in which they are sent.
 * Undefined if a command is not one of those that operations produce: then it is for the program.
 */
export function toNftMessages(commands: readonly Command[]): Buffer[] | undefined {
  try {
    const messages = commands.map((command, i) => toMessage(wordsIn(command), i + 1))
    if (messages.reduce((sum, { length }) => sum + length, 0) > MOST) return undefined
    return [batchMark(BATCH.begin, FLAG.request), ...messages, batchMark(BATCH.end, FLAG.request)]
  } catch (error) {
    if (error instanceof Unknown) return undefined
    throw error
  }
}

/** Something in a command that is not known here. */
class Unknown extends Error {}

function unknown(): never {
  throw new Unknown()
}

/** The words of a command that have not been read yet. */
interface Words {
  /** Whether the next ones are these; if so, they have been read. */
  has: (...expected: readonly string[]) => boolean
  /** Reads the next ones, which must be these. */
  expect: (...expected: readonly string[]) => void
  /** Reads the next one, which must be of this form. */
  next: (form: RegExp) => string
  /** There must be no more. */
  end: () => void
}

/** The names that nft takes without quotation marks, as long as the kernel allows. */
const NAME = /^[a-zA-Z][\w/.-]{0,254}$/
const ANY = /./
const QUOTED = /^"[^"\n\0]+"$/

function wordsIn({ tool, argv }: Command): Words {
  const line = argv.join(' ')
  if (tool !== 'nft' || line.includes('\n')) unknown()
  const words = line.match(/"[^"]*"|[{};]|[^\s{};"]+|"/g) ?? []
  let at = 0
  const has = (...expected: readonly string[]) => {
    const isNext = expected.every((word, i) => words[at + i] === word)
    if (isNext) at += expected.length
    return isNext
  }
  return {
    has,
    expect: (...expected) => void (has(...expected) || unknown()),
    next: (form) => {
      const word = words[at++]
      return word !== undefined && form.test(word) ? word : unknown()
    },
    end: () => void (at === words.length || unknown()),
  }
}

const REQUEST = FLAG.request | FLAG.ack

/** `number` is different for each message of the transaction. */
function toMessage(words: Words, number: number): Buffer {
  const [verb, object] = [words.next(ANY), words.next(ANY)]
  const family = numberIn(FAMILIES, words.next(ANY))
  const table = attribute(1, text(words.next(NAME)))
  const message = (type: number, flags: number, ...attributes: Buffer[]) => {
    words.end()
    return nftMessage(type, REQUEST | flags, family, table, ...attributes)
  }
  const name = (type: number) => attribute(type, text(words.next(NAME)))
  switch (`${verb} ${object}`) {
    case 'add table':
      return message(NFT.newTable, 0, attribute(2, be32(0)))
    case 'delete table':
      return message(NFT.deleteTable, 0)
    case 'add set':
    case 'add map':
      return message(NFT.newSet, FLAG.create, name(2), ...definitionOf(object, words, number))
    case 'add chain':
      return message(NFT.newChain, FLAG.create, name(3), ...hookIn(words, family))
    case 'flush chain':
      return message(NFT.deleteRule, 0, name(2))
    case 'add rule':
      return message(NFT.newRule, FLAG.create | FLAG.append, name(2), ...ruleIn(words, family))
    case 'create element':
      return message(NFT.newElements, FLAG.create | FLAG.exclusive, name(2), elementIn(words, true))
    case 'delete element':
      return message(NFT.deleteElements, 0, name(2), elementIn(words, false))
    default:
      return unknown()
  }
}

function numberIn(table: readonly (readonly [string, number])[], name: string): number {
  return table.find(([one]) => one === name)?.[1] ?? unknown()
}

/** What is read of things that are joined by ` . `. */
function joined<T>(words: Words, read: () => T): T[] {
  const all = [read()]
  while (words.has('.')) all.push(read())
  return all
}

/** The tags of what nft itself keeps with a set: the byte order of keys and data, and where their types come from. */
const NOTES = { keyOrder: 0, dataOrder: 1, keyFrom: 3, dataFrom: 4, dataInterval: 6 } as const
const BIG_ENDIAN = 2
/** It comes from types that were named, and are several: nft's expression 13, without more. */
const SEVERAL = Buffer.from([0, 4, 13, 0, 0, 0, 1, 0])

const note = (tag: number, value: Buffer) => Buffer.concat([u8(tag), u8(value.length), value])

/** `{ type ipv4_addr; }` */
function definitionOf(object: string, words: Words, number: number): Buffer[] {
  const types = () =>
    joined(words, () => {
      const type = words.next(ANY)
      return SET_TYPES.find(({ name }) => name === type) ?? unknown()
    })
  words.expect('{', 'type')
  const key = types()
  const data = words.has(':') ? types() : []
  words.expect(';')
  const isInterval = words.has('flags', 'interval', ';')
  words.expect('}')
  const isMap = data.length > 0
  // Of other kinds there are none of ours.
  const isOurs = isMap
    ? object === 'map' && key.length > 1 && data.length > 1 && !isInterval
    : object === 'set' && key.every(isAddress) && key.length === (isInterval ? 2 : 1)
  if (!isOurs) unknown()
  const flags = (isMap ? SET.map : 0) | (isInterval ? SET.interval | SET.concat : 0)
  const notes = [
    note(NOTES.keyOrder, u32(key.length > 1 ? 0 : BIG_ENDIAN)),
    ...(isMap ? [note(NOTES.dataOrder, u32(0))] : []),
    ...(key.length > 1 ? [note(NOTES.keyFrom, SEVERAL)] : []),
    ...(isMap ? [note(NOTES.dataFrom, SEVERAL), note(NOTES.dataInterval, u32(0))] : []),
  ]
  const parts = key.map(({ length }) => nested(1, attribute(1, be32(length))))
  return [
    attribute(3, be32(flags)),
    attribute(4, be32(idOf(key))),
    attribute(5, be32(lengthOf(key))),
    ...(isMap ? [attribute(6, be32(idOf(data))), attribute(7, be32(lengthOf(data)))] : []),
    attribute(10, be32(number)),
    ...(isInterval ? [nested(9, nested(2, ...parts))] : []),
    attribute(13, ...notes),
  ]
}

function isAddress(type: DataType): boolean {
  return type === TYPES.IPV4 || type === TYPES.IPV6
}

function idOf(types: readonly DataType[]): number {
  return types.reduce((sum, { id }) => (sum << TYPE_BITS) | id, 0)
}

/** In a key of several parts each begins a word. */
function lengthOf(types: readonly DataType[]): number {
  return types.reduce((sum, { length }) => sum + wordsFor(length) * 4, 0)
}

/** The names of priorities that operations use, and what they mean; another number in bridges (NF_BR_PRI_FILTER_BRIDGED). */
const PRIORITIES: readonly (readonly [string, number])[] = [
  ['raw', -300],
  ['dstnat', -100],
  ['filter', 0],
  ['srcnat', 100],
]
const BRIDGE = numberIn(FAMILIES, 'bridge')
const BRIDGE_FILTER = -200

/** `{ type nat hook postrouting priority srcnat; policy accept; }`; a chain without hook has nothing. */
function hookIn(words: Words, family: number): Buffer[] {
  if (!words.has('{')) return []
  words.expect('type')
  const type = words.next(/^(nat|filter)$/)
  words.expect('hook')
  const hook = words.next(ANY)
  const number = HOOKS.findIndex((name) => name === hook)
  words.expect('priority')
  const written = words.next(ANY)
  words.expect(';', 'policy', 'accept', ';', '}')
  if (number < 0 || (family === BRIDGE && `${type} ${written}` !== 'filter filter')) unknown()
  const priority =
    family === BRIDGE ? BRIDGE_FILTER : /^-?\d{1,9}$/.test(written) ? Number(written) : numberIn(PRIORITIES, written)
  return [
    attribute(7, text(type)),
    attribute(5, be32(VERDICTS.accept)),
    nested(4, attribute(1, be32(number)), attribute(2, be32(priority))),
  ]
}

const LONGEST_COMMENT = 128

/** A comment as nft keeps it. */
function commentIn(words: Words): Buffer {
  const comment = text(words.next(QUOTED).slice(1, -1))
  if (comment.length > LONGEST_COMMENT + 1) unknown()
  return Buffer.concat([u8(0), u8(comment.length), comment])
}

/** An element with the attributes of its key and its data. */
function elementIn(words: Words, isNew: boolean): Buffer {
  words.expect('{')
  const key = joined(words, () => valueIn(words))
  const comment = words.has('comment') ? commentIn(words) : undefined
  const data = words.has(':') ? joined(words, () => valueIn(words)) : undefined
  words.expect('}')
  if (!isNew && (comment ?? data)) unknown()
  const first = Buffer.concat(key.map((one) => one.first))
  const last = Buffer.concat(key.map((one) => one.last))
  // Of all that is in our sets, only pairs of addresses may be of intervals; nft deletes those of one without naming its end.
  const isPair = key.length === 2 && key.every(({ isAddress: is }) => is)
  const isInterval = !first.equals(last)
  if (isInterval && !isPair) unknown()
  if (data?.some((one) => !one.first.equals(one.last))) unknown()
  const hasEnd = isPair && (isNew || isInterval)
  return nested(
    3,
    nested(
      1,
      nested(1, attribute(1, first)),
      ...(hasEnd ? [nested(10, attribute(1, last))] : []),
      ...(data ? [nested(2, attribute(1, ...data.map((one) => one.first)))] : []),
      ...(comment ? [attribute(6, comment)] : []),
    ),
  )
}

interface Value {
  /** Filled up to whole words; the same unless it is a subnet. */
  first: Buffer
  last: Buffer
  isAddress: boolean
}

/** An address, a subnet, a protocol or a port. */
function valueIn(words: Words): Value {
  const word = words.next(ANY)
  const padded = (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)])
  if (/[.:]/.test(word)) {
    const { bytes, mask: bits } = subnetIn(word)
    const last = Buffer.from(bytes.map((byte, i) => byte | (~(bits[i] ?? 0) & 0xff)))
    return { first: bytes, last, isAddress: true }
  }
  const number = /^\d{1,5}$/.test(word) ? Number(word) : undefined
  if (number !== undefined && number > 0xffff) unknown()
  const bytes = padded(number === undefined ? u8(numberIn(PROTOCOLS, word)) : be16(number))
  return { first: bytes, last: bytes, isAddress: false }
}

/** An address, with or without prefix; none of its bits may lie outside the prefix. */
function subnetIn(word: string): { bytes: Buffer; prefix: number; mask: Buffer } {
  const [, address = '', digits] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(word) ?? unknown()
  const bytes = addressBytes(address)
  const prefix = Number(digits ?? bytes.length * 8)
  if (prefix > bytes.length * 8) unknown()
  const bits = Buffer.from(bytes.map((_, i) => 0xff00 >> Math.min(8, Math.max(0, prefix - i * 8))))
  if (bytes.some((byte, i) => (byte & ~(bits[i] ?? 0)) !== 0)) unknown()
  return { bytes, prefix, mask: bits }
}

function addressBytes(address: string): Buffer {
  const number = numberOf(address) ?? unknown()
  const digits = address.includes(':') ? 32 : 8
  return Buffer.from(number.toString(16).padStart(digits, '0'), 'hex')
}

const expression = (name: string, ...attributes: Buffer[]) =>
  nested(1, attribute(1, text(name)), nested(2, ...attributes))

/** The registers that rules use: 0 ends them, the first one holds what they look at. */
const VERDICT = be32(0)
const FIRST = registerAt(0)

const [EQUAL, UNEQUAL] = [0, 1]
const compare = (operation: number, value: Buffer) =>
  expression('cmp', attribute(1, FIRST), attribute(2, be32(operation)), nested(3, attribute(1, value)))

const mask = (bits: Buffer) =>
  expression(
    'bitwise',
    attribute(1, FIRST),
    attribute(2, FIRST),
    attribute(3, be32(bits.length)),
    nested(4, attribute(1, bits)),
    nested(5, attribute(1, Buffer.alloc(bits.length))),
  )

const verdict = (code: number, ...chain: Buffer[]) =>
  expression('immediate', attribute(1, VERDICT), nested(2, nested(2, attribute(1, be32(code)), ...chain)))

const payload = ({ base, offset }: Field, word: number, length: number) =>
  expression(
    'payload',
    attribute(1, registerAt(word)),
    attribute(2, be32(base)),
    attribute(3, be32(offset)),
    attribute(4, be32(length)),
  )

const meta = (key: number, word: number) => expression('meta', attribute(2, be32(key)), attribute(1, registerAt(word)))

/** The expressions of a rule, and its comment. */
function ruleIn(words: Words, family: number): Buffer[] {
  const expressions: Buffer[] = []
  while (!words.has('comment')) expressions.push(...expressionsIn(words, family))
  return [nested(4, ...expressions), attribute(7, commentIn(words))]
}

function expressionsIn(words: Words, family: number): Buffer[] {
  if (words.has('drop')) return [verdict(VERDICTS.drop)]
  if (words.has('accept')) return [verdict(VERDICTS.accept)]
  if (words.has('jump')) return [verdict(VERDICTS.jump, attribute(2, text(words.next(NAME))))]
  if (words.has('masquerade')) return [expression('masq')]
  if (words.has('fib', 'daddr', 'type', 'local'))
    return [
      expression('fib', attribute(3, be32(FIB.daddr)), attribute(2, be32(FIB.addrtype)), attribute(1, FIRST)),
      compare(EQUAL, u32(FIB.local)),
    ]
  if (words.has('ct', 'status', 'dnat'))
    return [
      expression('ct', attribute(2, be32(CT_STATUS)), attribute(1, FIRST)),
      mask(u32(STATUS_DNAT)),
      compare(UNEQUAL, u32(0)),
    ]
  if (words.has('iifname')) {
    const operation = words.has('!=') ? UNEQUAL : EQUAL
    const name = Buffer.alloc(16)
    name.write(words.next(/^"[\w.-]{1,15}"$/).slice(1, -1)) // what else nft would take for a pattern
    return [meta(META.iifname, 0), compare(operation, name)]
  }
  if (words.has('dnat')) return translationIn(words, family)
  return matchIn(words, family)
}

/** `ip daddr != 10.22.0.0/16`, `ip saddr . ip daddr @set` */
function matchIn(words: Words, family: number): Buffer[] {
  const parts = joined(words, () => fieldIn(words, family))
  const operation = words.has('!=') ? UNEQUAL : EQUAL
  const value = words.next(ANY)
  if (value.startsWith('@')) {
    if (operation === UNEQUAL || !NAME.test(value.slice(1))) unknown()
    return [...loaded(parts), lookup(value.slice(1))]
  }
  const [field, another] = parts
  if (!field || another) unknown()
  if (field.type === TYPES.MAC) {
    if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(value)) unknown()
    return [...loaded(parts), compare(operation, macBytes(value))]
  }
  const { bytes, prefix, mask: bits } = subnetIn(value)
  if (bytes.length !== field.type.length || prefix === 0) unknown()
  // nft loads no more bytes than it compares.
  return prefix % 8 === 0
    ? [payload(field, 0, prefix / 8), compare(operation, bytes.subarray(0, prefix / 8))]
    : [...loaded(parts), mask(bits), compare(operation, bytes)]
}

/** A field that tables of the family know by this name; a port only behind its protocol, see `translationIn`. */
function fieldIn(words: Words, family: number): Field {
  const [protocol, name] = [words.next(ANY), words.next(ANY)]
  return FIELDS.find((one) => one.protocol === protocol && one.field === name && one.family === family) ?? unknown()
}

const L4PROTO = { isProtocol: true, type: TYPES.PROTOCOL } as const
type Part = Field | typeof L4PROTO

/** Loads the parts of a key, each to the beginning of a word. */
function loaded(parts: readonly Part[]): Buffer[] {
  let word = 0
  return parts.map((part) => {
    const at = word
    word += wordsFor(part.type.length)
    return 'isProtocol' in part ? meta(META.l4proto, at) : payload(part, at, part.type.length)
  })
}

function lookup(set: string, ...target: Buffer[]): Buffer {
  return expression('lookup', attribute(2, FIRST), ...target, attribute(1, text(set)))
}

const DESTINATION = 1

/** `dnat ip to ip daddr . meta l4proto . th dport map @map`: to the address and the port that the map has. */
function translationIn(words: Words, family: number): Buffer[] {
  const [protocol] = FAMILIES.find(([, number]) => number === family && number !== BRIDGE) ?? unknown()
  words.expect(protocol, 'to')
  const address = FIELDS.find((one) => one.protocol === protocol && one.field === 'daddr') ?? unknown()
  const port = FIELDS.find((one) => one.protocol === 'th') ?? unknown()
  const isAtOne = words.has(protocol, 'daddr', '.')
  words.expect('meta', 'l4proto', '.', 'th', 'dport', 'map')
  const map = words.next(/^@/).slice(1)
  if (!NAME.test(map)) unknown()
  return [
    ...loaded([...(isAtOne ? [address] : []), L4PROTO, port]),
    lookup(map, attribute(3, FIRST)),
    expression(
      'nat',
      attribute(1, be32(DESTINATION)),
      attribute(2, be32(family)),
      attribute(3, FIRST),
      attribute(5, registerAt(wordsFor(address.type.length))),
    ),
  ]
}
