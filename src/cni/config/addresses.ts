import { numberOf, readCidr } from '../../ip-arithmetic.ts'
import { subnet } from '../../operations/ip.ts'
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
  isSix: boolean
  /** The first and the last address of the subnet, and of those that it may give, as numbers. */
  whole: { first: bigint; last: bigint }
  given: { first: bigint; last: bigint }
}

/** So many ranges of a configuration are looked at: each is compared with each. */
export const MOST_RANGES = 100

/**
 * The ranges that host-local reads: of the keys in `ipam` itself, and then of `ranges`. Each inner list is one set, from
 * which a container gets one address. Ranges without a subnet that can be read are left out, and those after the first
 * hundred.
 */
export function rangeSets(ipam: Json, path: Path): AddressRange[][] {
  let left = MOST_RANGES
  const single = rangeOf(ipam, path)
  const sets = asList(ipam['ranges']).map((set, i) =>
    asList(set).flatMap((range, j) => {
      const object = left-- > 0 ? asObject(range) : undefined
      const one = object && rangeOf(object, [...path, 'ranges', i, j])
      return one ? [one] : []
    }),
  )
  return [...(single ? [[single]] : []), ...sets]
}

function rangeOf(object: Json, path: Path): AddressRange | undefined {
  const cidr = readCidr(subnet.safeParse(object['subnet']).data ?? '')
  if (!cidr) return undefined
  const address = (key: 'rangeStart' | 'rangeEnd' | 'gateway') => {
    const text = asText(object[key])
    return text !== undefined && numberOf(text) !== undefined ? { [key]: text } : {}
  }
  const ends: Pick<AddressRange, 'rangeStart' | 'rangeEnd' | 'gateway'> = {
    ...address('rangeStart'),
    ...address('rangeEnd'),
    ...address('gateway'),
  }
  const { isSix, first, last } = cidr
  return {
    path,
    subnet: `${cidr.address}/${cidr.prefix}`,
    ...ends,
    isSix,
    whole: { first, last },
    given: { first: numberOf(ends.rangeStart ?? '') ?? first, last: numberOf(ends.rangeEnd ?? '') ?? last },
  }
}

/** Whether two ranges may give the same address. */
export function sharesAddresses(a: AddressRange, b: AddressRange): boolean {
  return overlap(a, b) && a.given.first <= b.given.last && b.given.first <= a.given.last
}

/** Whether their subnets have an address in common. */
export function overlap(a: AddressRange, b: AddressRange): boolean {
  return a.isSix === b.isSix && a.whole.first <= b.whole.last && b.whole.first <= a.whole.last
}
