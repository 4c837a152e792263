import { attributesIn, readAttributes, readString } from './message.ts'
import {
  CT_STATUS,
  type DataType,
  FAMILIES,
  FIB,
  type Field,
  FIELDS,
  META,
  STATUS_DNAT,
  TYPES,
  VERDICTS,
  wordOf,
  wordsFor,
} from './nft.ts'
import { type Json, prefixOf, readValue } from './nft-values.ts'

/** A set or a map, as rules refer to it. */
export interface SetTypes {
  key: readonly DataType[]
  isMap: boolean
}

/** What a rule has loaded into its memory: how nft writes it, and its type if that can be the key of a set. */
type Held =
  | { is: 'field'; field: Field; length: number; mask?: Buffer }
  | { is: 'protocol' | 'iifname' | 'fib' }
  | { is: 'status'; mask?: Buffer }
  | { is: 'target'; json: Json }

/** A rule in the course of being read: what is in which word of its memory, and its statements so far. */
interface Reading {
  family: number
  sets: ReadonlyMap<string, SetTypes>
  held: Map<number, Held>
  read: Json[]
}

/** The expressions of a rule, as nft -j prints them; undefined if something in it is unknown here. */
export function readExpressions(
  bytes: Buffer,
  family: number,
  sets: ReadonlyMap<string, SetTypes>,
): unknown[] | undefined {
  const reading: Reading = { family, sets, held: new Map(), read: [] }
  for (const { data } of attributesIn(bytes)) {
    const parts = readAttributes(data)
    const read = READERS[readString(parts.get(1)) ?? '']
    if (read?.(numbered(readAttributes(parts.get(2))), reading) !== true) return undefined
  }
  return reading.read
}

/** The attributes of an expression. */
interface Attributes {
  /** The number in one. */
  number: (type: number) => number | undefined
  bytes: (type: number) => Buffer | undefined
  /** Whether it has no others than these. */
  hasOnly: (...types: readonly number[]) => boolean
}

function numbered(attributes: Map<number, Buffer>): Attributes {
  return {
    number: (type) => {
      const bytes = attributes.get(type)
      return bytes?.length === 4 ? bytes.readInt32BE() : undefined
    },
    bytes: (type) => attributes.get(type),
    hasOnly: (...types) => [...attributes.keys()].every((type) => types.includes(type)),
  }
}

/** Each says whether it knows all of its expression. */
const READERS: Readonly<Record<string, ((expression: Attributes, reading: Reading) => boolean) | undefined>> = {
  payload: (expression, { family, held }) => {
    const [register, base, offset, length = 0] = [1, 2, 3, 4].map(expression.number)
    const field = FIELDS.find(
      (one) => one.base === base && one.offset === offset && (one.family === undefined ? true : one.family === family),
    )
    if (register === undefined || !field || length === 0 || length > field.type.length) return false
    held.set(wordOf(register), { is: 'field', field, length })
    return expression.hasOnly(1, 2, 3, 4)
  },
  meta: (expression, { held }) => {
    const [register, key] = [1, 2].map(expression.number)
    const is = key === META.iifname ? 'iifname' : key === META.l4proto ? 'protocol' : undefined
    if (register === undefined || !is) return false
    held.set(wordOf(register), { is })
    return expression.hasOnly(1, 2)
  },
  fib: (expression, { held }) => {
    const [register, result, flags] = [1, 2, 3].map(expression.number)
    if (register === undefined || result !== FIB.addrtype || flags !== FIB.daddr) return false
    held.set(wordOf(register), { is: 'fib' })
    return expression.hasOnly(1, 2, 3)
  },
  ct: (expression, { held }) => {
    const [register, key] = [1, 2].map(expression.number)
    if (register === undefined || key !== CT_STATUS) return false
    held.set(wordOf(register), { is: 'status' })
    return expression.hasOnly(1, 2)
  },
  bitwise: (expression, { held }) => {
    const [source, target, length, operation = 0] = [1, 2, 3, 6].map(expression.number)
    const [mask, flipped] = [4, 5].map((type) => readAttributes(expression.bytes(type)).get(1))
    const [word, isSame] = [source === undefined ? -1 : wordOf(source), source === target]
    const one = held.get(word)
    if (!mask || flipped?.every((byte) => byte === 0) !== true || !isSame || operation !== 0) return false
    if (mask.length !== length || (one?.is !== 'field' && one?.is !== 'status') || one.mask) return false
    if (one.is === 'field' && (one.length !== mask.length || one.length !== one.field.type.length)) return false
    held.set(word, { ...one, mask })
    return expression.hasOnly(1, 2, 3, 4, 5, 6)
  },
  cmp: (expression, { held, read }) => {
    const [register, operation] = [1, 2].map(expression.number)
    const value = readAttributes(expression.bytes(3)).get(1)
    const one = register === undefined ? undefined : held.get(wordOf(register))
    const match =
      one && value && (operation === 0 || operation === 1) ? compared(one, operation === 0, value) : undefined
    if (match) read.push({ match })
    return match !== undefined && expression.hasOnly(1, 2, 3)
  },
  lookup: (expression, { held, read, sets }) => {
    const name = readString(expression.bytes(1)) ?? ''
    const [source, target, flags = 0] = [2, 3, 5].map(expression.number)
    const set = sets.get(name)
    const left = set && source !== undefined ? keyIn(held, wordOf(source), set.key) : undefined
    if (!left || flags > 1 || set?.isMap !== (target !== undefined)) return false
    if (target === undefined) read.push({ match: { op: flags === 1 ? '!=' : '==', left, right: `@${name}` } })
    else held.set(wordOf(target), { is: 'target', json: { map: { key: left, data: `@${name}` } } })
    return expression.hasOnly(1, 2, 3, 4, 5)
  },
  nat: (expression, { family, held, read }) => {
    const [type, its, from, to = from, port, lastPort = port, flags = BOTH] = [1, 2, 3, 4, 5, 6, 7].map(
      expression.number,
    )
    const [name] = FAMILIES.find(([, number]) => number === family) ?? []
    if (type !== DESTINATION || its !== family || from === undefined || port === undefined) return false
    if (to !== from || lastPort !== port || flags !== BOTH) return false
    const target = held.get(wordOf(from))
    const isBehind = wordOf(port) === wordOf(from) + wordsFor(name === 'ip' ? TYPES.IPV4.length : TYPES.IPV6.length)
    if (target?.is !== 'target' || !isBehind) return false
    read.push({ dnat: { family: name, addr: target.json } })
    return expression.hasOnly(1, 2, 3, 4, 5, 6, 7)
  },
  masq: (expression, { read }) => {
    read.push({ masquerade: null })
    return expression.hasOnly()
  },
  counter: (expression, { read }) => {
    const [bytes, packets] = [1, 2].map((type) => Number(expression.bytes(type)?.readBigUInt64BE() ?? 0))
    read.push({ counter: { packets, bytes } })
    return expression.hasOnly(1, 2, 3)
  },
  immediate: (expression, { read }) => {
    const verdict = readAttributes(readAttributes(expression.bytes(2)).get(2))
    const code = verdict.get(1)?.readInt32BE()
    const target = readString(verdict.get(2))
    if (expression.number(1) !== 0) return false
    if (code === VERDICTS.drop) read.push({ drop: null })
    else if (code === VERDICTS.accept) read.push({ accept: null })
    else if (code === VERDICTS.jump && target !== undefined) read.push({ jump: { target } })
    else return false
    return expression.hasOnly(1, 2)
  },
}

/** NF_NAT_RANGE_MAP_IPS and NF_NAT_RANGE_PROTO_SPECIFIED: the address and the port. */
const BOTH = 3
/** NFT_NAT_DNAT */
const DESTINATION = 1

function compared(one: Held, isEqual: boolean, value: Buffer): Json | undefined {
  const op = isEqual ? '==' : '!='
  switch (one.is) {
    case 'field': {
      const right = value.length === one.length ? readMasked(one, value) : undefined
      return right === undefined ? undefined : { op, left: named(one.field), right }
    }
    case 'iifname': {
      const right = readString(value)
      // Shorter ones are patterns; others are written with escapes.
      const isName = value.length === 16 && right !== undefined && /^[\w.-]+$/.test(right)
      return isName ? { op, left: { meta: { key: 'iifname' } }, right } : undefined
    }
    case 'fib':
      return value.length === 4 && value.readUInt32LE() === FIB.local
        ? { op, left: { fib: { result: 'type', flags: ['daddr'] } }, right: 'local' }
        : undefined
    case 'status': {
      const isDnat = one.mask?.length === 4 && one.mask.readUInt32LE() === STATUS_DNAT
      const isSet = !isEqual && value.every((byte) => byte === 0)
      return isDnat && isSet ? { op: 'in', left: { ct: { key: 'status' } }, right: 'dnat' } : undefined
    }
    case 'protocol':
    case 'target':
      return undefined
  }
}

const named = ({ protocol, field }: Field) => ({ payload: { protocol, field } })

/** The value of a field, or the subnet of which it is if it was loaded in part or masked. */
function readMasked(
  { field: { type }, length, mask }: Extract<Held, { is: 'field' }>,
  value: Buffer,
): Json | undefined {
  if (length === type.length && !mask) return type === TYPES.PORT ? undefined : readValue(type, value, 0)
  if (type !== TYPES.IPV4 && type !== TYPES.IPV6) return undefined
  const len = mask ? prefixOf(mask) : length * 8
  if (len === undefined || len === 0 || len === type.length * 8) return undefined
  if (mask && value.some((byte, i) => (byte & ~(mask[i] ?? 0)) !== 0)) return undefined
  const addr = readValue(type, Buffer.concat([value, Buffer.alloc(type.length - value.length)]), 0)
  return addr === undefined ? undefined : { prefix: { addr, len } }
}

/** What a key of a set is looked up by. */
function keyIn(held: ReadonlyMap<number, Held>, from: number, types: readonly DataType[]): Json | undefined {
  let word = from
  const parts: Json[] = []
  for (const type of types) {
    const one = held.get(word)
    word += wordsFor(type.length)
    if (one?.is === 'field' && one.field.type === type && one.length === type.length && !one.mask)
      parts.push(named(one.field))
    else if (one?.is === 'protocol' && type === TYPES.PROTOCOL) parts.push({ meta: { key: 'l4proto' } })
    else return undefined
  }
  const [first, another] = parts
  return another === undefined ? first : { concat: parts }
}
