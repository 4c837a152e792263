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
  if (types.length === 1 && types[0] && end === at) return readValue(types[0], bytes, at)
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

// A set may have a thousand addresses, and functions that run for the first time are slow: so these are plain.

function ipv4At(bytes: Buffer, at: number): string {
  return `${bytes[at] ?? 0}.${bytes[at + 1] ?? 0}.${bytes[at + 2] ?? 0}.${bytes[at + 3] ?? 0}`
}

/** An IPv6 address as inet_ntop(3) writes it: RFC 5952, but the last 32 bits of an embedded IPv4 address with dots. */
function ipv6At(bytes: Buffer, at: number): string {
  const groups: number[] = []
  let start = 0 // of the longest run of zeros
  let longest = 1
  let zeros = 0
  for (let i = 0; i < 8; i++) {
    const group = ((bytes[at + 2 * i] ?? 0) << 8) | (bytes[at + 2 * i + 1] ?? 0)
    groups.push(group)
    zeros = group === 0 ? zeros + 1 : 0
    if (zeros > longest) {
      longest = zeros
      start = i + 1 - zeros
    }
  }
  if (start === 0 && (longest === 6 || (longest === 5 && groups[5] === 0xffff)))
    return `::${longest === 5 ? 'ffff:' : ''}${ipv4At(bytes, at + 12)}`
  let text = ''
  for (let i = 0; i < 8; i++)
    if (longest > 1 && i === start) {
      text += '::'
      i += longest - 1
    } else text += (text === '' || text.endsWith('::') ? '' : ':') + (groups[i] ?? 0).toString(16)
  return text
}
