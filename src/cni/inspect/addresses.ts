import ipaddr from 'ipaddr.js'
import { contains, overlaps, subnet } from '../../operations/names.ts'
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
}

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
  return { path, subnet: read.data, ...address('rangeStart'), ...address('rangeEnd'), ...address('gateway') }
}

/** Which of two addresses of a family is the lower: below 0 for the first one. */
export function compareAddresses(a: string, b: string): number {
  const [x, y] = [a, b].map((text) => Buffer.from(ipaddr.parse(text).toByteArray()))
  return x && y ? Buffer.compare(x, y) : 0
}

/** Whether two ranges may give the same address. */
export function sharesAddresses(a: AddressRange, b: AddressRange): boolean {
  if (!overlaps(a.subnet, b.subnet)) return false
  return !isBelow(a, b) && !isBelow(b, a)
}

/** Whether a range ends before another begins, in subnets that overlap. */
function isBelow(a: AddressRange, b: AddressRange): boolean {
  const start = b.rangeStart ?? firstOf(b.subnet)
  if (a.rangeEnd !== undefined) return compareAddresses(a.rangeEnd, start) < 0
  return !contains(a.subnet, start) && compareAddresses(firstOf(a.subnet), start) < 0
}

function firstOf(prefix: string): string {
  return prefix.split('/')[0] ?? prefix
}
