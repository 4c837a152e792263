import { join } from 'node:path'
import { addressOf } from '../../ip-arithmetic.ts'
import { CODE, CniError } from '../protocol/error.ts'
import type { Call } from '../protocol/plugin-type.ts'
import type { ResultRoute } from '../protocol/result.ts'
import { type Settings, settingsOf } from '../protocol/settings.ts'
import { refuseTooMany, routesOf } from './ipam-config.ts'
import { checkSets, rangeOf, type RangeSet } from './ranges.ts'

/** The configuration of host-local, with defaults filled in. */
export interface HostLocalConfig {
  /** The sets of the capability `ipRanges` first, then the single range of the old syntax, then `ranges`. */
  sets: readonly RangeSet[]
  routes: ResultRoute[]
  /** A file in resolv.conf(5) syntax. */
  resolvConf: string | undefined
}

/** Parses the configuration. Throws CniError `config`. */
export function readHostLocal(call: Call): HostLocalConfig {
  const settings = settingsOf(call)
  const ipam = settings.part('ipam')
  const single = ipam.has('subnet') ? [[rangeOf(ipam)]] : []
  const sets = [...setsOf(settings.part('runtimeConfig'), 'ipRanges'), ...single, ...setsOf(ipam, 'ranges')]
  if (sets.length === 0)
    throw new CniError(
      CODE.config,
      'network configuration: "ipam" names no addresses to hand out',
      'give it "subnet", or "ranges", for example: "ranges": [[{"subnet": "10.22.0.0/16"}]]',
    )
  checkSets(sets)
  refuseTooMany(
    call.version,
    sets.flatMap(([range]) => (range ? [addressOf(range.first, range.isSix)] : [])),
  )
  return { sets, routes: routesOf(ipam), resolvConf: ipam.text('resolvConf') }
}

function setsOf(settings: Settings, key: string): RangeSet[] {
  return settings.list(key, (sets, i) => sets.list(i, (ranges, j) => rangeOf(ranges.part(j))))
}

/** Where the addresses of each network are, unless its configuration says otherwise. */
export const STORES = '/var/lib/cni/networks'

/** The directory of a network's addresses, which is all that DEL and GC need to know. Throws CniError `config`. */
export function storeOf(call: Call): string {
  return join(settingsOf(call).part('ipam').text('dataDir') ?? STORES, call.network)
}

/** Whether the runtime may supply the ranges with ADD. */
export function hasRangesByRuntime(call: Call): boolean {
  return settingsOf(call).part('capabilities').flag('ipRanges') === true
}
