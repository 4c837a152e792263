import * as z from 'zod'
import { ipAddress, subnet } from '../../operations/ip.ts'
import { isIpv6 } from '../../ip-arithmetic.ts'
import { CODE, CniError } from '../protocol/error.ts'
import { atLeast, type Version } from '../protocol/versions.ts'

/** An address that may be left out; the reference takes '' for that, too. */
export const optionalAddress = z.preprocess(
  (value) => (value === '' || value === null ? undefined : value),
  ipAddress.optional(),
)

const whole = z.number().int().nonnegative().optional()

/** The routes that an IPAM plugin passes on (CNI spec 1.1.0, "Success"). */
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

/** Results before 0.3.0 have room for one address of each family: refuses more, with CniError `config`. */
export function refuseTooMany(version: Version, addresses: readonly string[]): void {
  const six = addresses.filter(isIpv6).length
  if (atLeast(version, '0.3.0') || (six <= 1 && addresses.length - six <= 1)) return
  throw new CniError(
    CODE.config,
    `cniVersion ${version} has room for one address of each family, and this is more: ${addresses.join(', ')}`,
    'set cniVersion in the network configuration to 0.3.0 or a newer one',
  )
}
