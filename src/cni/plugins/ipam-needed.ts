import { ipamType } from '../ipam/ipam.ts'
import { CODE, CniError } from '../protocol/error.ts'
import type { Call } from '../protocol/plugin-type.ts'

/** Throws CniError `config` if a type whose interface is of no use without addresses has no IPAM plugin. */
export function refuseWithoutIpam({ config }: Pick<Call, 'config'>, type: string): void {
  if (ipamType(config) !== undefined) return
  throw new CniError(
    CODE.config,
    `network configuration: "ipam" is missing, which the type ${type} requires`,
    'for example: "ipam": {"type": "host-local", "subnet": "10.22.0.0/16"}',
  )
}
