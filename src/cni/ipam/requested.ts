import { ipAddressRule } from '../../rules/ip.ts'
import { CODE, CniError } from '../protocol/error.ts'
import type { Call } from '../protocol/plugin-type.ts'
import { settingsOf } from '../protocol/settings.ts'
import { type Range, rangeFor, type RangeSet, shown } from './ranges.ts'

/** The addresses that a runtime requests, as text, by their source. Throws CniError `config`. */
export function requestedTexts(call: Call): { arguments: string[]; args: string[]; runtimeConfig: string[] } {
  const settings = settingsOf(call)
  const filled = (texts: readonly string[]) => texts.map((text) => text.trim()).filter((text) => text !== '')
  return {
    arguments: filled((call.args['IP'] ?? '').split(',')),
    args: filled(settings.part('args').part('cni').texts('ips')),
    runtimeConfig: filled(settings.part('runtimeConfig').texts('ips')),
  }
}

/**
 * The address that is requested from each range set, without its prefix; undefined if none is. Throws CniError `config` if a
 * request cannot be served.
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
      `the requested address ${address} ${isSecond ? 'is the second one from its range set' : 'is in none of the ranges'}`,
      `the range sets of network ${call.network}, each of which gives one address: ${sets.map((set) => `[${shown(set)}]`).join(' ')}; ` +
        'it was requested through CNI_ARGS (IP), args.cni.ips or runtimeConfig.ips',
    )
  }
  return requested
}

function toAddress(text: string): string {
  const { value } = ipAddressRule(text.replace(/\/\d{1,3}$/, ''))
  if (value !== undefined) return value
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
      'request another address, or set another "gateway" for the range',
    )
}
