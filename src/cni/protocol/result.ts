import { isIpv6 } from '../../ip-arithmetic.ts'
import { addressWithPrefixRule, ipAddressRule } from '../../rules/ip.ts'
import type { Rule } from '../../rules/rule.ts'
import { isObject, type JsonObject } from '../../state/json.ts'
import { CODE, CniError } from './error.ts'
import { withKeys } from './go-keys.ts'
import { RESULT } from './keys.ts'
import { Settings, settingsOf } from './settings.ts'
import { atLeast, type Version } from './versions.ts'

/** The DNS settings of a result or a configuration (CNI spec 1.1.0, "dns"): addresses of servers, a domain, search domains, options. */
export interface Dns {
  nameservers?: string[]
  domain?: string
  search?: string[]
  options?: string[]
}

/** A route of a result (CNI spec 1.1.0, "routes"): `dst` with its prefix; `mtu` and `advmss` in bytes. */
export interface ResultRoute {
  dst: string
  gw?: string | undefined
  mtu?: number | undefined
  advmss?: number | undefined
  priority?: number | undefined
  table?: number | undefined
  scope?: number | undefined
}

/** An interface of a result (CNI spec 1.1.0, "interfaces"): `sandbox` is the path of its namespace, missing on the host. */
export interface ResultInterface {
  name: string
  mac?: string | undefined
  mtu?: number | undefined
  sandbox?: string | undefined
  socketPath?: string | undefined
  pciID?: string | undefined
}

/** An address of a result (CNI spec 1.1.0, "ips"), and the index of the interface that has it. */
export interface ResultIp {
  /** With its prefix: `10.22.0.5/16`. */
  address: string
  gateway?: string | undefined
  /** Index into `interfaces`. */
  interface?: number | undefined
}

/** The result of ADD, in the latest version (CNI spec 1.1.0, "Success"). An IPAM plugin's has no interfaces. */
export interface Result {
  interfaces: ResultInterface[]
  ips: ResultIp[]
  routes: ResultRoute[]
  dns: Dns
}

/** An empty result. */
export const EMPTY: Result = { interfaces: [], ips: [], routes: [], dns: {} }

/** Parses a result of any version. Throws CniError `decode`, which says what is wrong with it. */
export function parseResult(given: unknown): Result {
  const refusing = (key: string, problem: string) =>
    new CniError(CODE.decode, `not a CNI result: ${key === '' ? '' : `"${key}": `}${problem}`)
  const json = withKeys(given, { keys: RESULT })
  const result = new Settings(json, refusing)
  const isOld = isObject(json) && ('ip4' in json || 'ip6' in json)
  return { ...(isOld ? oldResult(result) : currentResult(result)), dns: dnsIn(result) }
}

function currentResult(result: Settings): Omit<Result, 'dns'> {
  return {
    interfaces: result.list('interfaces', (items, place) => interfaceIn(items.part(place))),
    ips: result.list('ips', (items, place) => ipIn(items.part(place), 'address')),
    routes: routesIn(result),
  }
}

/** What ip4 and ip6 say, in versions 0.1.0 and 0.2.0. */
function oldResult(result: Settings): Omit<Result, 'dns'> {
  const both = ['ip4', 'ip6'].filter((key) => result.has(key)).map((key) => result.part(key))
  return { interfaces: [], ips: both.map((one) => ipIn(one, 'ip')), routes: both.flatMap(routesIn) }
}

function interfaceIn(one: Settings): ResultInterface {
  return {
    name: one.text('name') ?? '',
    mac: one.text('mac'),
    mtu: one.whole('mtu'),
    sandbox: one.text('sandbox'),
    socketPath: one.text('socketPath'),
    pciID: one.text('pciID'),
  }
}

function ipIn(one: Settings, key: string): ResultIp {
  return {
    address: one.required(key, one.byRule(key, addressWithPrefixRule)),
    gateway: one.byRule('gateway', ipAddressRule),
    interface: one.whole('interface', Number.MIN_SAFE_INTEGER),
  }
}

function routesIn(settings: Settings): ResultRoute[] {
  return settings.list('routes', (routes, place) => routeIn(routes.part(place), addressWithPrefixRule))
}

/** A route of a result, or of an IPAM configuration; `rule` is that of its destination. */
export function routeIn(route: Settings, rule: Rule): ResultRoute {
  return {
    dst: route.required('dst', route.byRule('dst', rule)),
    gw: route.byRule('gw', ipAddressRule),
    mtu: route.whole('mtu'),
    advmss: route.whole('advmss'),
    priority: route.whole('priority'),
    table: route.whole('table'),
    scope: route.whole('scope'),
  }
}

/** The name servers under "dns", with only the keys that are there. */
export function dnsIn(settings: Settings): Dns {
  const dns = settings.part('dns')
  const domain = dns.text('domain')
  const lists = (['nameservers', 'search', 'options'] as const).filter((key) => dns.has(key))
  return {
    ...Object.fromEntries(lists.map((key) => [key, dns.texts(key)])),
    ...(domain === undefined ? {} : { domain }),
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

/** The name servers of a configuration, or else those of its IPAM plugin's result. Throws CniError `config`. */
export function dnsOf(call: { config: JsonObject }, { dns }: Result): Dns {
  const own = dnsIn(settingsOf(call))
  return Object.keys(own).length > 0 ? own : dns
}
