import * as z from 'zod'
import { ipAddress, subnet } from '../../operations/ip.ts'
import { isIpv6 } from '../../ip-arithmetic.ts'
import { CODE, CniError } from '../protocol/error.ts'
import { atLeast, type Version } from '../protocol/versions.ts'

/** An optional address; as in the reference, '' counts as missing. */
export const optionalAddress = z.preprocess(
  (value) => (value === '' || value === null ? undefined : value),
  ipAddress.optional(),
)

const whole = z.number().int().nonnegative().optional()

/** The routes in an IPAM configuration, which go into the result (CNI spec 1.1.0, "Success"). */
export const routesSchema = z
  .array(
    z.object({
      dst: subnet,
      gw: optionalAddress,
      mtu: whole,
      advmss: whole,
      priority: whole,
      table: whole,
      scope: whole,
    }),
  )
  .nullish()
  .transform((routes) => routes ?? [])

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
