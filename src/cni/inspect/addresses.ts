import ipaddr from 'ipaddr.js'
import { isIpv6, numberOf, overlaps, subnet } from '../../operations/names.ts'
import { asList, asObject, asText, type Json } from './check-keys.ts'
import type { Path } from './json-source.ts'

/** A range of addresses of an IPAM configuration, and where it stands. */
export interface AddressRange {
  path: Path
  /** Without host bits. */
  subnet: string
  rangeStart?: string
  rangeEnd?: string
  gateway?: string
  /** The first and the last address that it may give, as numbers. */
  first: bigint
  last: bigint
}

/** So many ranges of a network are compared with those of others, each with each. */
export const MOST_RANGES = 100

/**
 * The ranges that host-local reads: of the keys in `ipam` itself, and then of `ranges`. Each inner list is one set, from
 * which a container gets one address. Ranges without a subnet that can be read are left out.
 */
export function rangeSets(ipam: Json, path: Path): AddressRange[][] {
  const single = rangeOf(ipam, path)
  const sets = asList(ipam['ranges']).map((set, i) =>
    asList(set).flatMap((range, j) => {
      const object = asObject(range)
      const one = object && rangeOf(object, [...path, 'ranges', i, j])
      return one ? [one] : []
    }),
  )
  return [...(single ? [[single]] : []), ...sets]
}

function rangeOf(object: Json, path: Path): AddressRange | undefined {
  const read = subnet.safeParse(object['subnet'])
  if (!read.success) return undefined
  const address = (key: 'rangeStart' | 'rangeEnd' | 'gateway') => {
    const text = asText(object[key])
    return text !== undefined && ipaddr.isValid(text) ? { [key]: text } : {}
  }
  const [base = '', prefix] = read.data.split('/')
  const bits = isIpv6(base) ? 128 : 32
  const given: Pick<AddressRange, 'rangeStart' | 'rangeEnd' | 'gateway'> = {
    ...address('rangeStart'),
    ...address('rangeEnd'),
    ...address('gateway'),
  }
  const start = numberOf(base) ?? 0n
  const end = start + (1n << BigInt(bits - Number(prefix))) - 1n
  return {
    path,
    subnet: read.data,
    ...given,
    first: numberOf(given.rangeStart ?? '') ?? start,
    last: numberOf(given.rangeEnd ?? '') ?? end,
  }
}

/** Which of two addresses of a family is the lower: below 0 for the first one. */
export function compareAddresses(a: string, b: string): number {
  const [x, y] = [a, b].map((text) => Buffer.from(ipaddr.parse(text).toByteArray()))
  return x && y ? Buffer.compare(x, y) : 0
}

/** Whether two ranges may give the same address. */
export function sharesAddresses(a: AddressRange, b: AddressRange): boolean {
  return a.first <= b.last && b.first <= a.last && overlaps(a.subnet, b.subnet)
}
