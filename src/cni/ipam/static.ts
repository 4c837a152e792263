import { contains } from '../../ip-arithmetic.ts'
import { interfaceAddressRule, ipAddressRule } from '../../rules/ip.ts'
import type { Rule } from '../../rules/rule.ts'
import { CODE, CniError } from '../protocol/error.ts'
import type { Call, PluginType } from '../protocol/plugin-type.ts'
import { dnsIn, type Result, type ResultIp } from '../protocol/result.ts'
import { settingsOf } from '../protocol/settings.ts'
import { refuseTooMany, routesOf } from './ipam-config.ts'
import { requestedTexts } from './requested.ts'

/** Gives a container the addresses in the configuration. It keeps no state. */
export const staticIpam: PluginType = { add, del: nothing, check, gc: nothing, status: nothing }

async function nothing(): Promise<void> {}

/** The result of a configuration. Throws CniError `config`. */
function read(call: Call): Result {
  const ipam = settingsOf(call).part('ipam')
  const addresses = ipam.list('addresses', (items, place) => {
    const item = items.part(place)
    const address = item.required('address', item.byRule('address', interfaceAddressRule))
    return toIp(address, item.byRule('gateway', ipAddressRule))
  })
  const texts = requestedTexts(call)
  // As in the reference, addresses in CNI_ARGS are added, while those of the other sources replace all others.
  const ips = [
    ...addresses,
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
    routes: routesOf(ipam),
    dns: dnsIn(ipam),
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
  const gateways = texts.filter((text) => text !== '').map((text) => parse(text, 'CNI_ARGS (GATEWAY)', ipAddressRule))
  return addresses.map((address) =>
    toIp(
      address,
      gateways.findLast((gateway) => contains(address, gateway)),
    ),
  )
}

function parse(text: string, from: string, rule: Rule = interfaceAddressRule): string {
  const { value, problem } = rule(text)
  if (problem === undefined) return value
  throw new CniError(CODE.config, `${from}: ${problem}`, 'the runtime passed it')
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
