import { CnilabError } from '../../errors.ts'
import type { NftObject } from '../../state/state.ts'
import { attribute, attributesIn, FLAG, readAttributes, readString, text } from './message.ts'
import {
  BODY,
  type DataType,
  FAMILIES,
  HOOKS,
  NFT,
  nftMessage,
  SET,
  SET_TYPES,
  TYPE_BITS,
  VERDICTS,
  wordsFor,
} from './nft.ts'
import { readExpressions, type SetTypes } from './nft-rules.ts'
import { readKey } from './nft-values.ts'
import type { NetlinkSocket } from './socket.ts'

/** How often to read again what changes while it is being read. */
const TRIES = 20

/** Error numbers: it is not there; it changes while it is read; this kernel has no nftables. */
const [ENOENT, EAGAIN] = [2, 11]
const LACKING = [22, 93, 95]

const ANY_FAMILY = 0

/**
 * The tables of the socket's namespace, as nft -j prints them: those of `tables`, given as `ip NAME`, that are there, or all
 * of them. Undefined if something in them is unknown here: then nft is to read them. Throws CnilabError `state` if the kernel
 * refuses.
 */
export function readTables(
  socket: NetlinkSocket,
  tables: readonly string[] | undefined,
  withoutElements: boolean,
): NftObject[] | undefined {
  for (let tries = TRIES; tries > 0; tries--) {
    const before = generationOf(socket)
    if (before === undefined) return []
    const objects = tables ? readNamed(socket, tables, withoutElements) : readAll(socket, withoutElements)
    if (generationOf(socket) === before) return objects
  }
  return undefined
}

/** The number of the kernel's rules, which every change increments; undefined if it has no nftables. */
function generationOf(socket: NetlinkSocket): number | undefined {
  const [answer] = socket.ask([nftMessage(NFT.getGeneration, FLAG.request | FLAG.ack, ANY_FAMILY)])
  if (answer?.refusal && LACKING.includes(answer.refusal.errno)) return undefined
  const [message] = answer?.refusal ? refused(answer.refusal.words) : (answer?.messages ?? [])
  return readAttributes(message, BODY).get(1)?.readUInt32BE() ?? refused('it tells no generation')
}

function refused(words: string): never {
  throw new CnilabError('state', `could not read the nftables rules: ${words}`)
}

/** What a request lists; undefined if it is not there, or changes. */
function list(socket: NetlinkSocket, type: number, flags: number, family: number, ...attributes: Buffer[]) {
  const [answer] = socket.ask([nftMessage(type, FLAG.request | flags, family, ...attributes)])
  if (!answer?.refusal) return answer?.messages ?? []
  return [ENOENT, EAGAIN].includes(answer.refusal.errno) ? undefined : refused(answer.refusal.words)
}

function readNamed(
  socket: NetlinkSocket,
  tables: readonly string[],
  withoutElements: boolean,
): NftObject[] | undefined {
  const objects: NftObject[] = []
  const chains = new Map<number, Chains | undefined>()
  for (const table of tables) {
    const [family = '', name = ''] = table.split(' ')
    const number = FAMILIES.find(([one]) => one === family)?.[1]
    if (number === undefined) return undefined
    const [message] = list(socket, NFT.getTable, FLAG.ack, number, attribute(1, text(name))) ?? []
    if (!message) continue
    if (!chains.has(number)) chains.set(number, chainsOf(socket, number))
    const read = readTable(socket, message, chains.get(number), withoutElements)
    if (!read) return undefined
    objects.push(...read)
  }
  return objects
}

function readAll(socket: NetlinkSocket, withoutElements: boolean): NftObject[] | undefined {
  const tables = list(socket, NFT.getTable, FLAG.dump, ANY_FAMILY)
  const chains = tables?.length === 0 ? new Map() : chainsOf(socket, ANY_FAMILY)
  const read = tables?.map((message) => readTable(socket, message, chains, withoutElements))
  return read?.reduce((all, one) => all && one && [...all, ...one], [])
}

/** Chains by their table, as `2 NAME`, with the number of its family. */
type Chains = Map<string, Buffer[]>

function chainsOf(socket: NetlinkSocket, family: number): Chains | undefined {
  const messages = list(socket, NFT.getChain, FLAG.dump, family)
  return messages && Map.groupBy(messages, (message) => placeOf(message, readAttributes(message, BODY)))
}

/** The table in which something is: all of them name it first. */
function placeOf(message: Buffer, attributes: ReadonlyMap<number, Buffer>): string {
  return `${message[BODY - 4]} ${readString(attributes.get(1))}`
}

const handleIn = (bytes: Buffer | undefined) => Number(bytes?.readBigUInt64BE() ?? 0)
const numberIn = (bytes: Buffer | undefined) => bytes?.readUInt32BE() ?? 0
const hasOnly = (attributes: ReadonlyMap<number, Buffer>, ...types: readonly number[]) =>
  [...attributes.keys()].every((type) => types.includes(type))

/** A table and all that is in it: sets, then chains, then rules. */
function readTable(
  socket: NetlinkSocket,
  message: Buffer,
  chains: Chains | undefined,
  withoutElements: boolean,
): NftObject[] | undefined {
  const attributes = readAttributes(message, BODY)
  const [table = '', number = 0] = [readString(attributes.get(1)), message[BODY - 4]]
  const [family] = FAMILIES.find(([, one]) => one === number) ?? []
  const own = chains?.get(placeOf(message, attributes)) ?? []
  const ofTable = attribute(1, text(table))
  const setMessages = list(socket, NFT.getSet, FLAG.dump, number, ofTable)
  const ruleMessages = own.length === 0 ? [] : list(socket, NFT.getRule, FLAG.dump, number, ofTable)
  if (family === undefined || !chains || !setMessages || !ruleMessages) return undefined
  // A table without comment and flags, in which nothing is but chains and sets: they are what it counts.
  const isPlain = hasOnly(attributes, 1, 2, 3, 4, 5) && numberIn(attributes.get(2)) === 0
  if (!isPlain || numberIn(attributes.get(3)) !== own.length + setMessages.length) return undefined

  const place = { family, table }
  const types = new Map<string, SetTypes>()
  const objects: NftObject[] = [{ table: { family, name: table, handle: handleIn(attributes.get(4)) } }]
  for (const one of setMessages) {
    const set = readSet(one)
    if (!set) return undefined
    types.set(set.name, set)
    const elements = withoutElements ? [] : elementsOf(socket, number, ofTable, set)
    if (!elements) return undefined
    objects.push(asObject(place, set, elements))
  }
  for (const one of own) {
    const chain = readChain(place, one)
    if (!chain) return undefined
    objects.push({ chain })
  }
  const rules = new Map<string, NftObject[]>(own.map((one) => [readString(readAttributes(one, BODY).get(3)) ?? '', []]))
  for (const one of ruleMessages) {
    const rule = readRule(place, one, number, types)
    if (!rule) return undefined
    rules.get(rule.chain)?.push({ rule })
  }
  return [...objects, ...[...rules.values()].flat()]
}

interface Place {
  family: string
  table: string
}

/** The lists of hooks; more than one means a device. */
function readChain(place: Place, message: Buffer): NftObject | undefined {
  const attributes = readAttributes(message, BODY)
  // Of the flags there is only that it is called by the kernel.
  if (!hasOnly(attributes, 1, 2, 3, 4, 5, 6, 7, 9, 10) || numberIn(attributes.get(10)) > 1) return undefined
  const chain = { ...place, name: readString(attributes.get(3)), handle: handleIn(attributes.get(2)) }
  const base = attributes.get(4)
  if (!base) return chain
  const place4 = readAttributes(base)
  const hook = HOOKS[numberIn(place4.get(1))]
  if (hook === undefined || !hasOnly(place4, 1, 2)) return undefined
  return {
    ...chain,
    type: readString(attributes.get(7)),
    hook,
    prio: place4.get(2)?.readInt32BE(),
    policy: numberIn(attributes.get(5)) === VERDICTS.accept ? 'accept' : 'drop',
  }
}

function readRule(place: Place, message: Buffer, family: number, sets: ReadonlyMap<string, SetTypes>) {
  const attributes = readAttributes(message, BODY)
  if (!hasOnly(attributes, 1, 2, 3, 4, 6, 7, 8)) return undefined
  const chain = readString(attributes.get(2)) ?? ''
  const expr = readExpressions(attributes.get(4) ?? Buffer.alloc(0), family, sets)
  const notes = attributes.get(7)
  const comment = notes ? commentIn(notes, 0, notes.length) : undefined
  if (!expr || (notes && comment === undefined)) return undefined
  return {
    ...place,
    chain,
    handle: handleIn(attributes.get(3)),
    ...(comment === undefined ? {} : { comment }),
    expr,
  }
}

/** What nft keeps with a rule or an element: a comment. Undefined if there is something else. */
function commentIn(notes: Buffer, from: number, to: number): string | undefined {
  const [tag, length = 0] = [notes[from], notes[from + 1]]
  return tag === 0 && from + 2 + length === to ? notes.toString('utf8', from + 2, to - 1) : undefined
}

interface ReadSet extends SetTypes {
  name: string
  handle: number
  data: readonly DataType[]
  isInterval: boolean
}

/** What nft keeps with a set: where its types come from, and whether it joins intervals, which it would print. */
const MERGES = 2
const LAST_NOTE = 6

/** A set or a map; undefined if it is of a kind that is none of ours. */
function readSet(message: Buffer): ReadSet | undefined {
  const attributes = readAttributes(message, BODY)
  // The last two are how the kernel keeps it, and how much is in it.
  if (!hasOnly(attributes, 1, 2, 3, 4, 5, 6, 7, 9, 10, 13, 14, 16, 19, 20)) return undefined
  if (!hasOnly(readAttributes(attributes.get(9)), 2)) return undefined
  const notes = attributes.get(13) ?? Buffer.alloc(0)
  for (let at = 0; at + 2 <= notes.length; at += 2 + (notes[at + 1] ?? 0))
    if ((notes[at] ?? 0) > LAST_NOTE || (notes[at] === MERGES && notes[at + 2] !== 0)) return undefined
  const flags = numberIn(attributes.get(3))
  const isMap = flags === SET.map
  const isInterval = flags === (SET.interval | SET.concat)
  const key = typesOf(attributes.get(4), attributes.get(5))
  const data = isMap ? typesOf(attributes.get(6), attributes.get(7)) : []
  if (!key || !data || (!isMap && !isInterval && flags !== 0)) return undefined
  return {
    name: readString(attributes.get(2)) ?? '',
    handle: handleIn(attributes.get(16)),
    key,
    data,
    isMap,
    isInterval,
  }
}

/** The types of a key, or of a map's data; undefined if one is none of ours. */
function typesOf(id: Buffer | undefined, length: Buffer | undefined): DataType[] | undefined {
  const types: DataType[] = []
  for (let rest = numberIn(id); rest > 0; rest >>>= TYPE_BITS) {
    const type = SET_TYPES.find((one) => one.id === rest % (1 << TYPE_BITS))
    if (!type) return undefined
    types.unshift(type)
  }
  return types.length > 0 && lengthOf(types) === numberIn(length) ? types : undefined
}

/** How long a key is: if it has several parts, each of them begins a word. */
function lengthOf(types: readonly DataType[]): number {
  const [single, another] = types
  return single && !another ? single.length : types.reduce((sum, one) => sum + wordsFor(one.length) * 4, 0)
}

function asObject({ family, table }: Place, set: ReadSet, elements: readonly unknown[]): NftObject {
  const names = set.key.map(({ name }) => name)
  return {
    [set.isMap ? 'map' : 'set']: {
      family,
      name: set.name,
      table,
      type: names.length === 1 ? names[0] : names,
      handle: set.handle,
      ...(set.isMap ? { map: set.data.map(({ name }) => name).join(' . ') } : {}),
      ...(set.isInterval ? { flags: ['interval'] } : {}),
      ...(elements.length > 0 ? { elem: elements } : {}),
    },
  }
}

/** The elements of a set; undefined if one has something that none of ours has. */
function elementsOf(socket: NetlinkSocket, family: number, ofTable: Buffer, set: ReadSet): unknown[] | undefined {
  const messages = list(socket, NFT.getElements, FLAG.dump, family, ofTable, attribute(2, text(set.name)))
  const read = new Map<string, unknown>()
  for (const message of messages ?? [])
    for (const { type, data } of attributesIn(message, BODY))
      if (type === 3 && !readElements(data, set, read)) return undefined
  if (!messages) return undefined
  // nft prints intervals as the kernel lists them, and everything else in the order of its values.
  return set.isInterval ? [...read.values()] : [...read.keys()].toSorted().map((key) => read.get(key))
}

/**
 * Reads a list of elements, by their keys. As there may be a thousand, and a plugin's code runs for the first time, it walks
 * along their bytes: an element has attributes, and in those for its key, its end and its data is an attribute with the value.
 */
function readElements(bytes: Buffer, set: ReadSet, into: Map<string, unknown>): boolean {
  const characters = bytes.toString('latin1')
  const keyLength = lengthOf(set.key)
  const isSimple = set.key.length === 1
  for (let at = 0, end = 0; at + 4 <= bytes.length; at = (end + 3) & ~3) {
    end = at + lengthAt(bytes, at)
    if (end < at + 4) return false
    let key = 0
    let last = 0
    let data = 0
    let comment: string | undefined
    for (let i = at + 4, length = 0; i + 4 <= end; i += (length + 3) & ~3) {
      length = lengthAt(bytes, i)
      if (length < 4) return false
      const type = bytes[i + 2]
      if (type === 1) key = i + 8
      else if (type === 10) last = i + 8
      else if (type === 2) data = i + 8
      else if (type === 6) {
        // Only a comment, which a zero ends.
        if (bytes[i + 4] !== 0 || bytes[i + 5] !== length - 6) return false
        comment = characters.slice(i + 6, i + length - 1)
        if (NOT_ASCII.test(comment)) comment = bytes.toString('utf8', i + 6, i + length - 1)
      } else if (type !== 3 || bytes.readUInt32BE(i + 4) !== 0) return false
    }
    if (key === 0 || (data !== 0) !== set.isMap || (last !== 0 && !set.isInterval)) return false
    const val = readKey(set.key, bytes, key, last === 0 ? key : last)
    const target = set.isMap ? readKey(set.data, bytes, data) : ''
    if (val === undefined || target === undefined) return false
    const elem = comment === undefined ? val : { elem: { val, comment } }
    const order = characters.slice(key, key + keyLength)
    into.set(isSimple ? order : backwards(order), set.isMap ? [elem, target] : elem)
  }
  return true
}

/** nft takes keys of several parts for numbers whose first byte counts least: src/mergesort.c of nftables. */
function backwards(order: string): string {
  return Array.from(order).toReversed().join('')
}

// oxlint-disable-next-line no-control-regex -- all of ASCII
const NOT_ASCII = /[^\x00-\x7f]/

const lengthAt = (bytes: Buffer, at: number) => (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8)
