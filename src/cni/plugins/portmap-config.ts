import * as z from 'zod'
import { ipAddress } from '../../operations/ip.ts'
import type { PortForwards } from '../../plan/port-forwards.ts'
import { CODE, CniError } from '../protocol/error.ts'
import { parseConfig } from '../protocol/parse-config.ts'
import type { Call } from '../protocol/plugin-type.ts'

const yesUnlessNo = z
  .boolean()
  .nullish()
  .transform((given) => given !== false)
const port = z.int().min(1).max(65535)
const conditions = z
  .array(z.string())
  .nullish()
  .transform((given) => given ?? [])

const mappingSchema = z.object({
  hostPort: port,
  containerPort: port,
  protocol: z
    .string()
    .nullish()
    .transform((name) => (name === undefined || name === null || name === '' ? 'tcp' : name.toLowerCase()))
    .pipe(z.enum(['tcp', 'udp', 'sctp'])),
  hostIP: z
    .string()
    .nullish()
    .transform((given) => given ?? '')
    .pipe(z.literal('').or(ipAddress))
    .refine((address) => address !== '::1', {
      error: 'cannot be ::1, which the kernel does not forward: use 127.0.0.1',
    }),
})

/** All keys of the reference's portmap plugin; those about iptables are tolerated. */
const schema = z.object({
  snat: yesUnlessNo,
  masqAll: z.boolean().nullish(),
  conditionsV4: conditions,
  conditionsV6: conditions,
  runtimeConfig: z
    .object({
      portMappings: z
        .array(mappingSchema)
        .nullish()
        .transform((given) => given ?? []),
    })
    .nullish(),
})

/** Parses the portmap plugin's part of a call's configuration. Throws CniError `config`, or `unsupportedField`. */
export function portmapConfig(call: Call): PortForwards {
  const { snat, masqAll, runtimeConfig, ...rest } = parseConfig(schema, call.config)
  for (const key of ['conditionsV4', 'conditionsV6'] as const)
    if (rest[key].length > 0)
      throw new CniError(
        CODE.unsupportedField,
        `network configuration: "${key}": ${JSON.stringify(rest[key])} is not supported`,
        'these are matches of iptables, but this plugin uses nftables: remove the key, and limit the mappings with "hostIP"',
      )
  return { mappings: runtimeConfig?.portMappings ?? [], masquerade: snat, masqueradeAll: masqAll === true }
}
