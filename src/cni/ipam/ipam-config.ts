import { isIpv6 } from '../../ip-arithmetic.ts'
import { subnetRule } from '../../rules/ip.ts'
import { CODE, CniError } from '../protocol/error.ts'
import { type ResultRoute, routeIn } from '../protocol/result.ts'
import type { Settings } from '../protocol/settings.ts'
import { atLeast, type Version } from '../protocol/versions.ts'

/** The routes in an IPAM configuration, which go into the result (CNI spec 1.1.0, "Success"). Throws CniError `config`. */
export function routesOf(ipam: Settings): ResultRoute[] {
  return ipam.list('routes', (routes, place) => routeIn(routes.part(place), subnetRule))
}

/** Throws CniError `config` for more than one address of a family before version 0.3.0, whose results have no room for them. */
export function refuseTooMany(version: Version, addresses: readonly string[]): void {
  const six = addresses.filter(isIpv6).length
  if (atLeast(version, '0.3.0') || (six <= 1 && addresses.length - six <= 1)) return
  throw new CniError(
    CODE.config,
    `cniVersion ${version} has room for only one address of each family, but there are: ${addresses.join(', ')}`,
    'set cniVersion in the network configuration to 0.3.0 or a newer one',
  )
}
