import { basename } from 'node:path'
import { type AddressRange, MAX_RANGES, overlap, rangeSets, sharesAddresses } from './addresses.ts'
import { asObject, asString } from './check-keys.ts'
import type { ReportMistake } from './mistake.ts'
import type { WrittenNetwork } from './written-network.ts'

/** A range of a network, and the bridge with its gateway; undefined if the plugin makes none. */
interface Pool {
  range: AddressRange
  bridge: string | undefined
}

/** What a network needs exclusively, for comparison with others. */
export interface Claims {
  file: string
  name: string | undefined
  pools: readonly Pool[]
}

/** What a network needs exclusively: its name, and its ranges, as many as are compared. */
export function claimsOf({ file, name, plugins }: WrittenNetwork): Claims {
  const pools = plugins.flatMap(({ path, config }) => {
    const ipam = asObject(config['ipam'])
    if (!ipam || ipam['type'] !== 'host-local') return []
    const bridge = config['type'] === 'bridge' ? asString(config['bridge']) || 'cni0' : undefined
    const ranges = rangeSets(ipam, [...path, 'ipam']).flat()
    return ranges.map((range) => ({ range, bridge }))
  })
  return { file, name, pools: pools.slice(0, MAX_RANGES) }
}

/** Finds what two networks both need exclusively. Reports it for the later one. */
export function checkBetween(earlier: Claims, later: Claims, report: ReportMistake): void {
  const other = basename(earlier.file)
  if (earlier.name !== undefined && earlier.name === later.name)
    report('error', ['name'], `${other} has the same name, "${earlier.name}"`, {
      why: 'runtimes use the first one; both would share one list of addresses',
      fix: 'give it another name',
    })
  for (const first of earlier.pools)
    for (const second of later.pools) {
      if (first.range.isSix !== second.range.isSix) continue
      comparePools(first, second, `${other}${earlier.name === undefined ? '' : ` (${earlier.name})`}`, report)
    }
}

function comparePools(first: Pool, second: Pool, other: string, report: ReportMistake): void {
  const place = [...second.range.path, 'subnet']
  const { subnet } = second.range
  const isSameBridge = first.bridge !== undefined && first.bridge === second.bridge
  const twoBridges = first.bridge !== undefined && second.bridge !== undefined && !isSameBridge
  if (sharesAddresses(first.range, second.range))
    report('error', place, `${subnet} overlaps with ${first.range.subnet} of ${other}`, {
      why: 'each network keeps its own list of addresses, so two containers can get the same one',
      fix: 'choose another subnet, or ranges that do not overlap',
    })
  else if (twoBridges && overlap(first.range, second.range))
    report('error', place, `${subnet} overlaps with ${first.range.subnet} of ${other}, on another bridge`, {
      why: 'the host has two routes to one address, so packets take the wrong bridge',
    })
  else if (isSameBridge && !overlap(first.range, second.range))
    report('warning', place, `bridge ${second.bridge} has ${first.range.subnet} in ${other}`, {
      why: 'if both are to be gateways, the second one fails: the bridge "already has an IP address different from" its own',
      fix: 'give each network its own bridge',
    })
}
