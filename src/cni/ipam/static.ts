import * as z from 'zod'
import { contains } from '../../ip-arithmetic.ts'
import { interfaceAddress, ipAddress } from '../../operations/ip.ts'
import { CODE, CniError } from '../protocol/error.ts'
import { parseConfig } from '../protocol/parse-config.ts'
import type { Call, PluginType } from '../protocol/plugin-type.ts'
import { type Result, type ResultIp, dnsSchema } from '../protocol/result.ts'
import { optionalAddress, refuseTooMany, routesSchema } from './ipam-config.ts'
import { requestedTexts } from './requested.ts'

/** Gives a container the addresses in the configuration. It keeps no state. */
export const staticIpam: PluginType = { add, del: nothing, check, gc: nothing, status: nothing }

async function nothing(): Promise<void> {}

const schema = z.object({
  ipam: z.object({
    addresses: z.array(z.object({ address: interfaceAddress, gateway: optionalAddress })).nullish(),
    routes: routesSchema,
    dns: dnsSchema.nullish(),
  }),
})

/** The result of a configuration. Throws CniError `config`. */
function read(call: Call): Result {
  const { addresses, routes, dns } = parseConfig(schema, call.config).ipam
  const texts = requestedTexts(call)
  // As in the reference, addresses in CNI_ARGS are added, while those of the other sources replace all others.
  const ips = [
    ...(addresses ?? []).map(({ address, gateway }) => toIp(address, gateway)),
    ...withGateways(
      texts.arguments.map((text) => parse(text, 'CNI_ARGS (IP)')),
      call.args['GATEWAY'] ?? '',
    ),
  ]
  const runtimes = texts.runtimeConfig.map((text) => toIp(parse(text, 'runtimeConfig.ips')))
  const args = texts.args.map((text) => toIp(parse(text, 'args.cni.ips')))
  const result = {
    interfaces: [],
    ips: [runtimes, args, ips].find((some) => some.length > 0) ?? [],
    routes,
    dns: dns ?? {},
  }
  refuseTooMany(
    call.version,
    result.ips.map(({ address }) => address),
  )
  return result
}

function toIp(address: string, gateway?: string): ResultIp {
  return { address, ...(gateway === undefined ? {} : { gateway }) }
}

/** Each address with the last of the gateways that is in its subnet. */
function withGateways(addresses: readonly string[], list: string): ResultIp[] {
  const texts = list.split(',').map((text) => text.trim())
  const gateways = texts.filter((text) => text !== '').map((text) => parse(text, 'CNI_ARGS (GATEWAY)', ipAddress))
  return addresses.map((address) =>
    toIp(
      address,
      gateways.findLast((gateway) => contains(address, gateway)),
    ),
  )
}

function parse(text: string, from: string, rule: z.ZodType<string> = interfaceAddress): string {
  const parsed = rule.safeParse(text)
  if (parsed.success) return parsed.data
  throw new CniError(CODE.config, `${from}: ${parsed.error.issues[0]?.message ?? text}`, 'the runtime passed it')
}

async function add(call: Call): Promise<Result> {
  return read(call)
}

async function check(call: Call): Promise<void> {
  for (const { address, gateway } of read(call).ips) {
    const found = call.prevResult?.ips.find((ip) => ip.address === address)
    const what = !found
      ? `the container does not have the address ${address}`
      : gateway !== undefined && found.gateway !== gateway
        ? `the gateway of ${address} is ${found.gateway ?? 'missing'}, not ${gateway}`
        : undefined
    if (what !== undefined)
      throw new CniError(
        CODE.differs,
        `${what}, as the network configuration says`,
        'the configuration has changed since ADD: DEL and ADD give the container what it says now',
      )
  }
}
