import { join } from 'node:path'
import * as z from 'zod'
import { addressOf } from '../../ip-arithmetic.ts'
import { CODE, CniError } from '../protocol/error.ts'
import { parseConfig } from '../protocol/parse-config.ts'
import type { Call } from '../protocol/plugin-type.ts'
import type { ResultRoute } from '../protocol/result.ts'
import { refuseTooMany, routesSchema } from './ipam-config.ts'
import { checkSets, rangeKeys, type RangeSet, toRange } from './ranges.ts'

const setsSchema = z
  .array(z.array(rangeKeys))
  .nullish()
  .transform((sets) => sets ?? [])

const schema = z.object({
  ipam: z.object({
    ...rangeKeys.shape,
    subnet: rangeKeys.shape.subnet.optional(),
    ranges: setsSchema,
    routes: routesSchema,
    resolvConf: z.string().nullish(),
  }),
  runtimeConfig: z.object({ ipRanges: setsSchema }).nullish(),
})

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
  const { ipam, runtimeConfig } = parseConfig(schema, call.config)
  const { subnet, ranges, routes } = ipam
  const single = subnet === undefined ? [] : [[{ ...ipam, subnet }]]
  const sets = [...(runtimeConfig?.ipRanges ?? []), ...single, ...ranges].map((set) => set.map(toRange))
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
  return { sets, routes, resolvConf: ipam.resolvConf === '' ? undefined : (ipam.resolvConf ?? undefined) }
}

/** Where the addresses of each network are, unless its configuration says otherwise. */
export const STORES = '/var/lib/cni/networks'

const folderSchema = z.object({ ipam: z.object({ dataDir: z.string().nullish() }) })

/** The directory of a network's addresses, which is all that DEL and GC need to know. Throws CniError `config`. */
export function storeOf(call: Call): string {
  const { dataDir } = parseConfig(folderSchema, call.config).ipam
  return join(dataDir === undefined || dataDir === null || dataDir === '' ? STORES : dataDir, call.network)
}

const capabilitySchema = z.object({ capabilities: z.object({ ipRanges: z.literal(true) }) })

/** Whether the runtime may supply the ranges with ADD. */
export function hasRangesByRuntime(call: Call): boolean {
  return capabilitySchema.safeParse(call.config).success
}
