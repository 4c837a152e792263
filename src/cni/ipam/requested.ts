import * as z from 'zod'
import { ipAddress } from '../../operations/ip.ts'
import { CODE, CniError } from '../protocol/error.ts'
import { parseConfig } from '../protocol/parse-config.ts'
import type { Call } from '../protocol/plugin-type.ts'
import { type Range, rangeFor, type RangeSet, shown } from './ranges.ts'

const list = z.array(z.string()).nullish()
const schema = z.object({
  runtimeConfig: z.object({ ips: list }).nullish(),
  args: z.object({ cni: z.object({ ips: list }).nullish() }).nullish(),
})

/** The texts by which a runtime asks for addresses, by where they came from. Throws CniError `config`. */
export function requestedTexts(call: Call): { arguments: string[]; args: string[]; runtimeConfig: string[] } {
  const { runtimeConfig, args } = parseConfig(schema, call.config)
  const filled = (texts: readonly string[]) => texts.map((text) => text.trim()).filter((text) => text !== '')
  return {
    arguments: filled((call.args['IP'] ?? '').split(',')),
    args: filled(args?.cni?.ips ?? []),
    runtimeConfig: filled(runtimeConfig?.ips ?? []),
  }
}

/**
 * Which address is asked for from each range set, at most one; a prefix that came with it is left out. Throws CniError
 * `config` unless each one can be served.
 */
export function requestedOf(call: Call, sets: readonly RangeSet[]): (string | undefined)[] {
  const texts = requestedTexts(call)
  const left = new Set([...texts.arguments, ...texts.args, ...texts.runtimeConfig].map(toAddress))
  const requested = sets.map((set) => {
    const address = [...left].find((one) => rangeFor(set, one))
    if (address === undefined) return undefined
    left.delete(address)
    refuseGateway(rangeFor(set, address), address)
    return address
  })
  for (const address of left) {
    const isSecond = sets.some((set) => rangeFor(set, address))
    throw new CniError(
      CODE.config,
      `the requested address ${address} ${isSecond ? 'is the second one from its range set' : 'lies in none of the ranges'}`,
      `the range sets of network ${call.network}, each of which gives one address: ${sets.map((set) => `[${shown(set)}]`).join(' ')}; ` +
        'it was asked for by CNI_ARGS (IP), args.cni.ips or runtimeConfig.ips',
    )
  }
  return requested
}

function toAddress(text: string): string {
  const { data } = ipAddress.safeParse(text.replace(/\/\d{1,3}$/, ''))
  if (data !== undefined) return data
  throw new CniError(
    CODE.config,
    `the requested address '${text}' is not an IP address`,
    'it came from CNI_ARGS (IP), args.cni.ips or runtimeConfig.ips; for example: 10.22.0.5',
  )
}

function refuseGateway(range: Range | undefined, address: string): void {
  if (range?.gateway === address)
    throw new CniError(
      CODE.config,
      `the requested address ${address} is the gateway of ${range.subnet}`,
      'ask for another one, or set another "gateway" for the range',
    )
}
