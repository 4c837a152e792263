import * as z from 'zod'
import { atLeast, type Version } from '../protocol/versions.ts'

/** `10.22.0.5/16`: an IPv4 or IPv6 address with its prefix. */
const cidr = z.union([z.cidrv4(), z.cidrv6()], 'not an address with its prefix')
const address = z.union([z.ipv4(), z.ipv6()], 'not an IP address')
const dns = z.strictObject({
  nameservers: z.array(address).optional(),
  domain: z.string().optional(),
  search: z.array(z.string()).optional(),
  options: z.array(z.string()).optional(),
})
const oldRoute = z.strictObject({ dst: cidr, gw: address.optional() })
const number = z.int().nonnegative().optional()
const route = z.strictObject({
  ...oldRoute.shape,
  mtu: number,
  advmss: number,
  priority: number,
  table: number,
  scope: number,
})
const oldInterface = z.strictObject({
  name: z.string().min(1),
  mac: z.string().optional(),
  sandbox: z.string().optional(),
})
const newInterface = z.strictObject({
  ...oldInterface.shape,
  mtu: number,
  socketPath: z.string().optional(),
  pciID: z.string().optional(),
})
const ip = z.strictObject({ address: cidr, gateway: address.optional(), interface: number })
const oldIp = z.strictObject({ ...ip.shape, version: z.enum(['4', '6']) })
const oldest = z.strictObject({ ip: cidr, gateway: address.optional(), routes: z.array(oldRoute).optional() })

/** The strict schema of a result of ADD in a version (CNI spec of that version, "Result"). */
function schemaOf(version: Version): z.ZodType {
  const cniVersion = z.literal(version)
  if (!atLeast(version, '0.3.0'))
    return z.strictObject({ cniVersion, ip4: oldest.optional(), ip6: oldest.optional(), dns: dns.optional() })
  const isNew = atLeast(version, '1.1.0')
  return z.strictObject({
    cniVersion,
    interfaces: z.array(isNew ? newInterface : oldInterface).optional(),
    ips: z.array(atLeast(version, '1.0.0') ? ip : oldIp).optional(),
    routes: z.array(isNew ? route : oldRoute).optional(),
    dns: dns.optional(),
  })
}

/** What is wrong with the shape of a result, such as `ips.0.version: …`; undefined if nothing is. */
export function wrongShape(json: unknown, version: Version): string | undefined {
  const { error } = schemaOf(version).safeParse(json)
  if (!error) return undefined
  return error.issues
    .map(({ path, message }) => [path.map(String).join('.'), message].filter(Boolean).join(': '))
    .join('; ')
}
