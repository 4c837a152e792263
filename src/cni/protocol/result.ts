import * as z from 'zod'
import { addressWithPrefix, ipAddress } from '../../operations/ip.ts'
import { isIpv6 } from '../../ip-arithmetic.ts'
import { withKeys } from './go-keys.ts'
import { RESULT } from './keys.ts'
import { atLeast, type Version } from './versions.ts'

/** The name servers in a result or a configuration. */
export const dnsSchema = z.object({
  nameservers: z.array(z.string()).optional(),
  domain: z.string().optional(),
  search: z.array(z.string()).optional(),
  options: z.array(z.string()).optional(),
})

const routeSchema = z.object({
  dst: addressWithPrefix,
  gw: ipAddress.optional(),
  mtu: z.number().optional(),
  advmss: z.number().optional(),
  priority: z.number().optional(),
  table: z.number().optional(),
  scope: z.number().optional(),
})

const interfaceSchema = z.object({
  name: z.string(),
  mac: z.string().optional(),
  mtu: z.number().optional(),
  sandbox: z.string().optional(),
  socketPath: z.string().optional(),
  pciID: z.string().optional(),
})

const ipSchema = z.object({
  /** With its prefix: `10.22.0.5/16`. */
  address: addressWithPrefix,
  gateway: ipAddress.optional(),
  /** Index into `interfaces`. */
  interface: z.number().optional(),
})

/** Go writes an empty list as null. */
const list = <T extends z.ZodType>(item: T) =>
  z
    .array(item)
    .nullish()
    .transform((items) => items ?? [])

const currentSchema = z.object({
  interfaces: list(interfaceSchema),
  ips: list(ipSchema),
  routes: list(routeSchema),
  dns: dnsSchema.nullish().transform((dns) => dns ?? {}),
})

/** ip4 and ip6 in versions 0.1.0 and 0.2.0. */
const oldIpSchema = z.object({ ip: addressWithPrefix, gateway: ipAddress.optional(), routes: list(routeSchema) })
const oldSchema = z.object({
  ip4: oldIpSchema.nullish(),
  ip6: oldIpSchema.nullish(),
  dns: dnsSchema.nullish().transform((dns) => dns ?? {}),
})

export type Dns = z.infer<typeof dnsSchema>
export type ResultRoute = z.infer<typeof routeSchema>

export type ResultInterface = z.infer<typeof interfaceSchema>
export type ResultIp = z.infer<typeof ipSchema>

/** The result of ADD, in the latest version (CNI spec 1.1.0, "Success"). An IPAM plugin's has no interfaces. */
export type Result = z.infer<typeof currentSchema>

/** An empty result. */
export const EMPTY: Result = { interfaces: [], ips: [], routes: [], dns: {} }

/** Parses a result of any version. Throws ZodError. */
export function parseResult(given: unknown): Result {
  const json = withKeys(given, { keys: RESULT })
  const isOld = typeof json === 'object' && json !== null && ('ip4' in json || 'ip6' in json)
  if (!isOld) return currentSchema.parse(json)
  const { ip4, ip6, dns } = oldSchema.parse(json)
  const both = [ip4, ip6].flatMap((one) => (one ? [one] : []))
  return {
    interfaces: [],
    ips: both.map(({ ip, gateway }) => ({ address: ip, ...(gateway === undefined ? {} : { gateway }) })),
    routes: both.flatMap(({ routes }) => routes),
    dns,
  }
}

/** Converts a result to a version, for printing; leaves out what that version has no place for. */
export function toVersion(result: Result, version: Version): Record<string, unknown> {
  const { interfaces, ips, routes, dns } = result
  if (!atLeast(version, '0.3.0')) {
    const family = (isSix: boolean) => {
      const ip = ips.find(({ address }) => isIpv6(address) === isSix)
      const own = routes.filter(({ dst }) => isIpv6(dst) === isSix).map(({ dst, gw }) => ({ dst, gw }))
      return ip && { ip: ip.address, gateway: ip.gateway, ...(own.length > 0 ? { routes: own } : {}) }
    }
    return { cniVersion: version, ip4: family(false), ip6: family(true), dns }
  }
  const isNew = atLeast(version, '1.1.0')
  return {
    cniVersion: version,
    ...(interfaces.length > 0
      ? {
          interfaces: isNew ? interfaces : interfaces.map(({ name, mac, sandbox }) => ({ name, mac, sandbox })),
        }
      : {}),
    ...(ips.length > 0
      ? {
          ips: atLeast(version, '1.0.0') ? ips : ips.map((ip) => ({ version: isIpv6(ip.address) ? '6' : '4', ...ip })),
        }
      : {}),
    ...(routes.length > 0 ? { routes: isNew ? routes : routes.map(({ dst, gw }) => ({ dst, gw })) } : {}),
    dns,
  }
}

/** The part of a call's prevResult that concerns its own interface: in a chain there may be others. */
export function ownResult({ prevResult, ifname }: { prevResult: Result | undefined; ifname: string }): Result {
  if (!prevResult) return EMPTY
  const { interfaces, ips } = prevResult
  const isOwn = (index: number | undefined) => index === undefined || interfaces[index]?.name === ifname
  return { ...prevResult, ips: ips.filter((one) => isOwn(one.interface)) }
}

/** The name servers of a configuration, or else those of its IPAM plugin's result. */
export function dnsOf({ config }: { config: Readonly<Record<string, unknown>> }, { dns }: Result): Dns {
  const { data } = dnsSchema.safeParse(config['dns'])
  return data && Object.keys(data).length > 0 ? data : dns
}
