import { PROTOCOLS, type DataType, TYPES, wordsFor } from './nft.ts'

// Values in sets and rules, as nft -j prints them: libnftables-json(5).

/** A value in nft's JSON. */
export type Json = string | number | { readonly [key: string]: unknown }

/** The value of a type that begins at an offset; undefined if nft has another name for it than we know. */
export function readValue(type: DataType, bytes: Buffer, at: number): Json | undefined {
  if (type === TYPES.IPV4) return ipv4At(bytes, at)
  if (type === TYPES.IPV6) return ipv6At(bytes, at)
  if (type === TYPES.PORT) return bytes.readUInt16BE(at)
  if (type === TYPES.PROTOCOL) return PROTOCOLS.find(([, number]) => number === bytes[at])?.[0]
  return bytes.toString('hex', at, at + type.length).replaceAll(/..(?=.)/g, '$&:')
}

/** A value of one or several types, each of which begins a word. `end` is where an interval has its last value. */
export function readKey(types: readonly DataType[], bytes: Buffer, at: number, end = at): Json | undefined {
  const [type, another] = types
  if (!type) return undefined
  if (another === undefined && end === at) return readValue(type, bytes, at)
  const parts: Json[] = []
  let offset = 0
  for (const one of types) {
    const part = end === at ? readValue(one, bytes, at + offset) : readInterval(one, bytes, at + offset, end + offset)
    if (part === undefined) return undefined
    parts.push(part)
    offset += wordsFor(one.length) * 4
  }
  return { concat: parts }
}

/** A value, a subnet, or a range. */
function readInterval(type: DataType, bytes: Buffer, from: number, to: number): Json | undefined {
  const [first, last] = [readValue(type, bytes, from), readValue(type, bytes, to)]
  if (bytes.compare(bytes, from, from + type.length, to, to + type.length) === 0) return first
  if (first === undefined || last === undefined || (type !== TYPES.IPV4 && type !== TYPES.IPV6)) return undefined
  const bits = Buffer.from(
    bytes.subarray(from, from + type.length).map((byte, i) => ~(byte ^ (bytes[to + i] ?? 0)) & 0xff),
  )
  const length = prefixOf(bits)
  const isSubnet =
    length !== undefined &&
    bits.every((mask, i) => ((bytes[from + i] ?? 0) & ~mask) === 0 && (~mask & 0xff & ~(bytes[to + i] ?? 0)) === 0)
  return isSubnet ? { prefix: { addr: first, len: length } } : { range: [first, last] }
}

/** The length of the prefix that a mask is for; undefined if it is not of the form 1…10…0. */
export function prefixOf(mask: Buffer): number | undefined {
  const digits = [...mask].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  const [, ones] = /^(1*)0*$/.exec(digits) ?? []
  return ones?.length
}

function ipv4At(bytes: Buffer, at: number): string {
  return `${bytes.readUInt8(at)}.${bytes.readUInt8(at + 1)}.${bytes.readUInt8(at + 2)}.${bytes.readUInt8(at + 3)}`
}

/** An IPv6 address as inet_ntop(3) writes it: RFC 5952, but the last 32 bits of an embedded IPv4 address with dots. */
function ipv6At(bytes: Buffer, at: number): string {
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(at + 2 * i))
  let [start, longest] = [-1, 1]
  for (let i = 0; i < 8; i++) {
    let length = 0
    while (groups[i + length] === 0) length++
    if (length > longest) [start, longest] = [i, length]
    i += length
  }
  const hex = (some: readonly number[]) => some.map((group) => group.toString(16)).join(':')
  if (start < 0) return hex(groups)
  if (start === 0 && (longest === 6 || (longest === 5 && groups[5] === 0xffff)))
    return `::${longest === 5 ? 'ffff:' : ''}${ipv4At(bytes, at + 12)}`
  return `${hex(groups.slice(0, start))}::${hex(groups.slice(start + longest))}`
}
