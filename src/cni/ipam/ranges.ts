import { addressAt, addressOf, bitsOf, contains, isIpv6, numberOf, readCidr } from '../../ip-arithmetic.ts'
import { ipAddressRule, subnetRule } from '../../rules/ip.ts'
import { CODE, CniError } from '../protocol/error.ts'
import type { Settings } from '../protocol/settings.ts'

/** Addresses that may be handed out: all from `first` to `last` except the gateway. */
export interface Range {
  subnet: string
  /** The prefix length of the subnet. */
  prefix: number
  isSix: boolean
  gateway: string
  first: bigint
  last: bigint
}

/** A pool, from which a container gets one address. */
export type RangeSet = readonly Range[]

/** Reads a range, and fills in the defaults, as the reference does. Throws CniError `config`. */
export function rangeOf(settings: Settings): Range {
  const net = settings.required('subnet', settings.byRule('subnet', subnetRule))
  const [rangeStart, rangeEnd, gateway] = ['rangeStart', 'rangeEnd', 'gateway'].map((key) =>
    settings.byRule(key, ipAddressRule),
  )
  const cidr = readCidr(net)
  if (!cidr) throw wrong(`"subnet": '${net}' is not a subnet`)
  const { address: base, prefix, isSix } = cidr
  const bits = bitsOf(isSix)
  if (prefix > bits - 2) throw wrong(`"subnet": '${net}' is too small to hand out addresses: at most /${bits - 2}`)
  for (const [key, address] of Object.entries({ rangeStart, rangeEnd }))
    if (address !== undefined && !contains(net, address))
      throw wrong(`"${key}": '${address}' is not in the subnet ${net}`)
  const broadcast = isSix ? 0n : 1n // which no container can have
  const first = rangeStart === undefined ? cidr.first + 1n : value(rangeStart)
  const last = rangeEnd === undefined ? cidr.last - broadcast : value(rangeEnd)
  if (first > last) throw wrong(`"rangeStart": '${addressOf(first, isSix)}' comes after "rangeEnd" (in ${net})`)
  return { subnet: net, prefix, isSix, gateway: gateway ?? addressAt(net, 1) ?? base, first, last }
}

function value(address: string): bigint {
  return numberOf(address) ?? 0n // it has been parsed
}

function wrong(problem: string): CniError {
  return new CniError(CODE.config, `network configuration: ${problem}`, 'change it in "ipam" or in "ipRanges"')
}

/** Throws CniError `config` for empty sets, sets that mix address families, and ranges that overlap. */
export function checkSets(sets: readonly RangeSet[]): void {
  for (const set of sets) {
    if (set.length === 0) throw wrong('"ranges": a range set is empty')
    if (new Set(set.map(({ isSix }) => isSix)).size > 1)
      throw wrong(`"ranges": one range set holds IPv4 and IPv6: ${shown(set)}; put them into separate sets`)
  }
  const all = sets.flat()
  const sorted = all.toSorted((a, b) => Number(a.isSix) - Number(b.isSix) || (a.first < b.first ? -1 : 1))
  for (const [i, b] of sorted.entries()) {
    const a = sorted[i - 1] // in this order, overlapping ranges are neighbours
    if (a?.isSix !== b.isSix || a.last < b.first) continue
    const [first, second] = all.indexOf(a) < all.indexOf(b) ? [a, b] : [b, a]
    throw wrong(`"ranges": ${shown([first])} and ${shown([second])} overlap`)
  }
}

/** The range of a set that contains an address. */
export function rangeFor(set: RangeSet, address: string): Range | undefined {
  const number = numberOf(address)
  return set.find(
    ({ isSix, first, last }) => number !== undefined && isSix === isIpv6(address) && number >= first && number <= last,
  )
}

/**
 * The addresses of a set that a container may get, in the order of the reference: round-robin from the one after `last`, or
 * from the beginning if that is not in the set.
 */
export function* candidates(set: RangeSet, last: string | undefined): Generator<string> {
  const range = last === undefined ? undefined : rangeFor(set, last)
  if (last === undefined || range === undefined) {
    for (const one of set) yield* within(one, one.first, one.last)
    return
  }
  const at = set.indexOf(range)
  yield* within(range, value(last) + 1n, range.last)
  for (const one of [...set.slice(at + 1), ...set.slice(0, at)]) yield* within(one, one.first, one.last)
  yield* within(range, range.first, value(last))
}

function* within({ gateway, isSix }: Range, from: bigint, to: bigint): Generator<string> {
  const skipped = isIpv6(gateway) === isSix ? value(gateway) : undefined
  for (let n = from; n <= to; n++) if (n !== skipped) yield addressOf(n, isSix)
}

/** How many addresses a set can hand out. */
export function sizeOf(set: RangeSet): bigint {
  return set.reduce(
    (sum, range) => sum + range.last - range.first + (rangeFor([range], range.gateway) === undefined ? 1n : 0n),
    0n,
  )
}

/** How many of these addresses come from the set. */
export function takenOf(set: RangeSet, addresses: readonly string[]): number {
  return addresses.filter((address) => {
    const range = rangeFor(set, address)
    return range !== undefined && range.gateway !== address
  }).length
}

/** A set as the reference prints it: `10.1.0.1-10.1.0.254`. */
export function shown(set: RangeSet): string {
  return set.map(({ first, last, isSix }) => `${addressOf(first, isSix)}-${addressOf(last, isSix)}`).join(', ')
}
