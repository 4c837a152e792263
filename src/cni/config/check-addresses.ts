import { contains, isIpv6 } from '../../ip-arithmetic.ts'
import { atLeast, isVersion, OLDEST } from '../protocol/versions.ts'
import { type AddressRange, MAX_RANGES, rangeSets, sharesAddresses } from './addresses.ts'
import { asList, asObject, asString, type JsonObject } from './check-keys.ts'
import type { Path } from './json-source.ts'
import type { ReportMistake } from './mistake.ts'

/** Finds what host-local refuses, or what makes no sense, in ranges whose single values are valid. */
export function checkHostLocal(ipam: JsonObject, path: Path, version: string, report: ReportMistake): void {
  const sets = rangeSets(ipam, path)
  if (ipam['subnet'] === undefined && asList(ipam['ranges']).length === 0)
    report('error', path, 'host-local needs a "subnet", or "ranges"', { fix: 'for example: "subnet": "10.22.0.0/16"' })
  for (const range of sets.flat()) checkRange(range, report)
  const count = asList(ipam['ranges']).flatMap(asList).length
  if (count > MAX_RANGES) report('error', path, `there are ${count} ranges, of which ${MAX_RANGES} are checked`)

  for (const isSix of [false, true]) {
    const ofFamily = sets.filter((set) => set[0] && isIpv6(set[0].subnet) === isSix)
    const known = isVersion(version) ? version : OLDEST
    if (ofFamily.length > 1 && !atLeast(known, '0.3.0'))
      report('error', path, `CNI ${version} has no room for ${ofFamily.length} IPv${isSix ? 6 : 4} addresses`, {
        fix: 'set cniVersion to 0.3.0 or newer, or keep one set of ranges',
      })
  }
  for (const set of sets) {
    const [first] = set
    const other = set.find(({ isSix }) => isSix !== first?.isSix)
    if (first && other)
      report('error', [...other.path, 'subnet'], `${other.subnet} and ${first.subnet} are in one range set`, {
        why: 'a set gives one address, of one family; host-local refuses',
        fix: 'put IPv4 and IPv6 into separate sets: "ranges": [[{ … }], [{ … }]]',
      })
  }
  const ranges = sets.flat()
  for (const [i, range] of ranges.entries())
    for (const other of ranges.slice(0, i))
      if (sharesAddresses(other, range))
        report('error', [...range.path, 'subnet'], `${range.subnet} overlaps with ${other.subnet} before it`, {
          why: 'one address could be handed out twice; host-local refuses',
        })
}

function checkRange({ path, subnet, given, ...addresses }: AddressRange, report: ReportMistake): void {
  const prefix = Number(subnet.split('/')[1])
  const most = isIpv6(subnet) ? 126 : 30
  if (prefix > most)
    report('error', [...path, 'subnet'], `${subnet} is too small: host-local accepts prefixes up to /${most}`)
  for (const key of ['rangeStart', 'rangeEnd', 'gateway'] as const) {
    const address = addresses[key]
    if (address === undefined || contains(subnet, address)) continue
    if (key !== 'gateway')
      report('error', [...path, key], `"${key}" ${address} is not in the subnet ${subnet}`, {
        why: 'host-local refuses',
      })
    else
      report('warning', [...path, key], `"gateway" ${address} is not in the subnet ${subnet}`, {
        why: 'a container cannot reach it: there is no route to it',
      })
  }
  const { rangeStart, rangeEnd } = addresses
  if (rangeStart === undefined || rangeEnd === undefined || isIpv6(rangeStart) !== isIpv6(rangeEnd)) return
  if (given.first > given.last)
    report('error', [...path, 'rangeEnd'], `"rangeEnd" ${rangeEnd} is below "rangeStart" ${rangeStart}`)
}

/** Checks static addresses: that there are some, and that each can reach its gateway. */
export function checkStatic(ipam: JsonObject, path: Path, hasIps: boolean, report: ReportMistake): void {
  const addresses = asList(ipam['addresses'])
  if (addresses.length === 0 && !hasIps)
    report('error', path, 'static needs "addresses", or the capability "ips" for the runtime to supply them', {
      fix: 'for example: "addresses": [{ "address": "10.22.0.5/16" }]',
    })
  for (const [i, item] of addresses.entries()) {
    const [address, gateway] = [asString(asObject(item)?.['address']), asString(asObject(item)?.['gateway'])]
    if (address !== undefined && gateway !== undefined && !contains(address, gateway))
      report(
        'warning',
        [...path, 'addresses', i, 'gateway'],
        `"gateway" ${gateway} is not in the subnet of ${address}`,
        {
          why: 'a container cannot reach it',
        },
      )
  }
}
