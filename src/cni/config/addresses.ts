import { numberOf, readCidr } from '../../ip-arithmetic.ts'
import { subnetRule } from '../../rules/ip.ts'
import { asList, asObject, asString, type JsonObject } from './check-keys.ts'
import type { Path } from './json-source.ts'

/** A range of addresses in an IPAM configuration, and its place. */
export interface AddressRange {
  path: Path
  /** Without host bits. */
  subnet: string
  rangeStart?: string
  rangeEnd?: string
  gateway?: string
  isSix: boolean
  /** The first and last address of the subnet (`whole`), and of the range (`given`), as numbers. */
  whole: { first: bigint; last: bigint }
  given: { first: bigint; last: bigint }
}

/** How many ranges of a configuration are checked: each is compared with all others. */
export const MAX_RANGES = 100

/**
 * The ranges of host-local: first the one in `ipam` itself, then those in `ranges`. Each inner list is one set, from which a
 * container gets one address. Leaves out ranges without a readable subnet, and those after the first hundred.
 */
export function rangeSets(ipam: JsonObject, path: Path): AddressRange[][] {
  let left = MAX_RANGES
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

function rangeOf(object: JsonObject, path: Path): AddressRange | undefined {
  const cidr = readCidr(subnetRule(asString(object['subnet']) ?? '').value ?? '')
  if (!cidr) return undefined
  const address = (key: 'rangeStart' | 'rangeEnd' | 'gateway') => {
    const text = asString(object[key])
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

/** Whether two ranges have an address in common. */
export function sharesAddresses(a: AddressRange, b: AddressRange): boolean {
  return overlap(a, b) && a.given.first <= b.given.last && b.given.first <= a.given.last
}

/** Whether the subnets of two ranges overlap. */
export function overlap(a: AddressRange, b: AddressRange): boolean {
  return a.isSix === b.isSix && a.whole.first <= b.whole.last && b.whole.first <= a.whole.last
}
