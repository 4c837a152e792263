import * as z from 'zod'
import { findLink, HOST, type Route, type State } from '../state/state.ts'
import { addressOf, bitsOf, contains, isIpv6, readCidr } from '../ip-arithmetic.ts'
import { destination, ipAddress } from './ip.ts'
import { interfaceName, netnsPlace } from './names.ts'
import { wholeNumber } from './scalars.ts'
import {
  type OperationKind,
  type Proof,
  inNetns,
  ip,
  MARK_ALIAS,
  missingLink,
  missingNetns,
  placeId,
  resource,
  namedNetns,
} from './operation.ts'
import { findSame } from './same-link.ts'

interface Params {
  dst: string
  /** The gateway; without one, the destination is directly on the cable of `dev`. */
  via?: string | undefined
  dev?: string | undefined
  netns?: string | undefined
  mtu?: number | undefined
  advmss?: number | undefined
  priority?: number | undefined
  table?: number | undefined
  scope?: number | undefined
}

/** A route by way of a gateway, or straight to an interface: ip-route(8). */
export const route: OperationKind<'route', Params> = {
  kind: 'route',
  title: 'a route, by way of a gateway or straight to an interface',
  step: () => 'up',
  get params() {
    return z
      .strictObject({
        dst: destination.describe('where it leads: default, or a subnet'),
        via: ipAddress.optional().describe('the gateway; without one, the destination is directly on the cable of dev'),
        dev: interfaceName.optional().describe('the interface through which packets leave'),
        netns: netnsPlace.optional().describe('the namespace that it is in; by default the host'),
        mtu: wholeNumber.optional().describe('the largest packet on this way, in bytes'),
        advmss: wholeNumber.optional().describe('the largest segment that TCP offers on this way, in bytes'),
        priority: wholeNumber.optional().describe('its metric: among routes to the same destination, the lowest wins'),
        table: wholeNumber.optional().describe('the number of the routing table; the main table is 254'),
        scope: wholeNumber.optional().describe('how far it reaches: 0 everywhere, 253 on the cable, 254 on the host'),
      })
      .refine((p) => p.via !== undefined || p.dev !== undefined, { error: 'a route needs a gateway or an interface' })
      .refine((p) => p.dst === 'default' || p.via === undefined || isIpv6(p.dst) === isIpv6(p.via), {
        error:
          'the destination and its gateway must both be IPv4 or both be IPv6, for example: 192.168.7.0/24 via 10.22.0.1',
        path: ['via'],
      })
  },
  // Routes to one destination are told apart by family, table and metric.
  id: ({ netns, dst, via, table, priority }) => {
    const to = dst === 'default' && isIpv6(via ?? '') ? 'default6' : dst
    return [placeId(netns, to), ...[table, priority].flatMap((one) => one ?? [])].join('.')
  },
  reads: (p) => ({ namespaces: namedNetns(p.netns) }),
  provides: () => [],
  needs: (p) => [
    ...(p.netns === undefined ? [] : [resource.netns(p.netns)]),
    ...(p.via === undefined ? [] : [resource.onlink(p.netns)]),
    ...(p.dev === undefined ? [] : [resource.link(p.dev, p.netns)]),
  ],
  apply: (p) => [ip(p.netns, 'route', 'add', ...selector(p), ...attributes(p))],
  target: ({ dev, netns }) => (dev === undefined ? undefined : { ifname: dev, netns }),
  undo: (p, before, now) => {
    if (p.dev !== undefined && !findSame(before, p.dev, p.netns, now)) return []
    const there = matching(p, now)
    if (!before.strict) return there.length > 0 ? [ip(p.netns, 'route', 'delete', ...selector(p))] : []
    // A daemon may have added another route there, for a DHCP lease, say.
    return there.some((one) => one.protocol === 'boot' && one.metric === metricOf(p, one))
      ? [ip(p.netns, 'route', 'delete', ...selector(p), 'proto', 'boot')]
      : []
  },
  mend: (p, now) => [
    ...inPlace(p, now).map((one) => ip(p.netns, 'route', 'delete', ...asWords(one))),
    ...route.apply(p),
  ],
  // A cable of ours to an earlier holder of the address.
  leftover: (p, now) =>
    p.netns === undefined &&
    /\/(32|128)$/.test(p.dst) &&
    inPlace(p, now).every(({ dev = '' }) => findLink(now, dev)?.alias?.startsWith(MARK_ALIAS) === true),
  explain: (p) => ({
    undoing: `Delete the route to ${p.dst}${inNetns(p.netns)}`,
    what: `Route ${p.dst === 'default' ? 'everything else' : p.dst}${inNetns(p.netns)} ${way(p)}`,
    why: "Without a route the kernel answers 'Network is unreachable' to everything outside its own subnets. It disappears when its interface goes down.",
  }),
  expected: (p) => `${p.dst} goes ${way(p)}${inNetns(p.netns)}`,
  judge: (p, now) => {
    const blocked = missingNetns(p.netns, now)
    if (blocked) return blocked
    if (isThere(p, now)) return { status: 'present', actual: `${p.dst} goes ${way(p)}${inNetns(p.netns)}` }
    const [there] = inPlace(p, now).toSorted((one, other) => one.metric - other.metric)
    if (there) return { status: 'differs', actual: `${p.dst}${inNetns(p.netns)} goes ${way(there)}${how(there)}` }
    const actual = `there is no route to ${p.dst}${inNetns(p.netns)}`
    const namespace = now.get(p.netns ?? HOST)
    const { via, dev } = p
    if (namespace && dev !== undefined && !findLink(now, dev, p.netns)) return missingLink(dev, p.netns)
    if (via === undefined) return { status: 'absent', actual, before: {} }
    const onLink =
      namespace?.links.some(
        (link) => link.up && link.addresses.some((a) => contains(`${a.address}/${a.prefix}`, via)),
      ) === true || namespace?.routes.some((r) => r.via === undefined && covers(r.dst, via)) === true
    if (namespace && !onLink)
      return {
        status: 'blocked',
        actual: `${actual}, and no interface that is up has a subnet with the gateway ${p.via}`,
        missing: resource.onlink(p.netns),
      }
    return { status: 'absent', actual, before: {} }
  },
  proof: (p, now) =>
    [p.mtu, p.advmss, p.priority, p.table, p.scope].every((one) => one === undefined) && now.has(p.netns ?? HOST)
      ? wayTo(p)
      : undefined,
}

/**
 * By what the kernel shows that packets to a destination take a way, by whichever routes and rules: it is asked for its
 * decision on addresses at both ends of the destination. Undefined without a gateway.
 */
export function wayTo({ dst, via, dev, netns }: Pick<Params, 'dst' | 'via' | 'dev' | 'netns'>): Proof | undefined {
  if (via === undefined) return undefined
  const all = isIpv6(via) ? '::/0' : '0.0.0.0/0'
  const cidr = readCidr(dst === 'default' ? all : dst.includes('/') ? dst : `${dst}/${bitsOf(isIpv6(dst))}`)
  if (!cidr) return undefined
  const size = cidr.last - cidr.first
  const within = (n: bigint) => addressOf(cidr.first + n, cidr.isSix)
  // Of everything, addresses that no interface here has, and that are no multicast.
  const asked =
    dst === 'default'
      ? cidr.isSix
        ? ['2001:db8::1', '9000::1']
        : ['100.64.0.1', '198.51.100.1']
      : [within(size === 0n ? 0n : 1n), within(size > 1n ? size - 1n : size)]
  return {
    by: 'reading',
    argv: ['ip', '-o', '-batch', '-'],
    netns,
    input: asked.map((address) => `route get ${address}\n`).join(''),
    shows: (stdout) => {
      const ways = stdout.split('\n').flatMap((line) => {
        const [, gateway, out] = /^\S+ (?:from \S+ )?via (?:inet6? )?(\S+) dev (\S+)/.exec(line) ?? []
        return gateway === via && (dev === undefined || out === dev) ? [line] : []
      })
      return ways.length === asked.length ? `the kernel sends packets for ${dst} via ${via}` : undefined
    },
  }
}

/** Whether an operation, or a check with the same words, is about the default route of the host. */
export function isHostDefault({ kind, params }: { kind: string; params: Readonly<Record<string, unknown>> }): boolean {
  return kind === route.kind && params['dst'] === 'default' && params['netns'] === undefined
}

/** The arguments of `ip route` that identify the operation's route. */
function selector(p: Params): string[] {
  return [
    p.dst,
    ...(p.via === undefined ? [] : ['via', p.via]),
    ...(p.dev === undefined ? [] : ['dev', p.dev]),
    ...(p.priority === undefined ? [] : ['metric', String(p.priority)]),
    ...(p.table === undefined ? [] : ['table', String(p.table)]),
    ...(p.scope === undefined ? [] : ['scope', String(p.scope)]),
  ]
}

function attributes({ mtu, advmss }: Pick<Params, 'mtu' | 'advmss'>): string[] {
  return [
    ...(mtu === undefined ? [] : ['mtu', String(mtu)]),
    ...(advmss === undefined ? [] : ['advmss', String(advmss)]),
  ]
}

/** `via 10.22.0.1`, or `to eth0 directly`. */
function way({ via, dev }: { via?: string | undefined; dev?: string | undefined }): string {
  return via === undefined ? `to ${dev ?? 'nowhere'} directly` : `via ${via}`
}

/** The routes of the same table to the same destination. */
export function sameDestination(p: Pick<Params, 'dst' | 'via' | 'netns' | 'table'>, now: State): Route[] {
  const family = isIpv6(p.dst === 'default' ? (p.via ?? '') : p.dst) ? 'inet6' : 'inet'
  // The kernel prints 0.0.0.0/0 as `default`, and a host route without its prefix length.
  const bare = /^(0\.0\.0\.0|::)\/0$/.test(p.dst) ? 'default' : p.dst.replace(/\/(32|128)$/, '')
  const namespace = now.get(p.netns ?? HOST)
  const isMain = p.table === undefined || p.table === MAIN
  const routes = isMain ? namespace?.routes : namespace?.policyRoutes.filter((r) => r.table === String(p.table))
  return (routes ?? []).filter((r) => r.family === family && (r.dst === p.dst || r.dst === bare))
}

/** The routes in its place: to the same destination, and with the same metric if it asks for one. */
function inPlace(p: Params, now: State): Route[] {
  return sameDestination(p, now).filter(({ metric }) => p.priority === undefined || metric === p.priority)
}

/** What tells a route that is there from others, as words of `ip route`. */
export function asWords({ dst, via, dev, metric, table }: Route): string[] {
  return [
    dst,
    ...(via === undefined ? [] : ['via', via]),
    ...(dev === undefined ? [] : ['dev', dev]),
    ...(metric === 0 ? [] : ['metric', String(metric)]),
    ...(table === 'main' ? [] : ['table', table]),
  ]
}

/** All that is known of a route that is there, as words of `ip route`. */
export function wholeRoute(one: Route): string[] {
  return [
    ...asWords(one),
    ...(one.family === 'inet6' ? [] : ['scope', one.scope]),
    'proto',
    one.protocol,
    ...attributes(one),
  ]
}

/** ` with the MTU 1400`, as far as it has more than a way. */
function how({ mtu, advmss }: Route): string {
  return `${mtu === undefined ? '' : ` with the MTU ${mtu}`}${advmss === undefined ? '' : ` and segments of ${advmss}`}`
}

/**
 * Whether it is there, and packets take it: of several routes to a destination, they take the one with the lowest metric.
 * One that names its interface is compared with the others of that.
 */
function isThere(p: Params, now: State): boolean {
  const rivals = inPlace(p, now).filter(({ dev }) => p.dev === undefined || dev === p.dev)
  const best = Math.min(...rivals.map(({ metric }) => metric))
  return matching(p, now).some(
    (one) =>
      (p.priority !== undefined || one.metric === best) &&
      (p.mtu === undefined || one.mtu === p.mtu) &&
      (p.advmss === undefined || one.advmss === p.advmss) &&
      (p.priority === undefined || one.metric === p.priority) &&
      (p.scope === undefined || one.family === 'inet6' || one.scope === scopeName(p.scope)),
  )
}

/** The name of a scope: rt_scopes(5). */
function scopeName(scope: number): string {
  return { 0: 'global', 200: 'site', 253: 'link', 254: 'host', 255: 'nowhere' }[scope] ?? String(scope)
}

function matching(p: Params, now: State): Route[] {
  return sameDestination(p, now).filter((r) => r.via === p.via && (p.dev === undefined || r.dev === p.dev))
}

/** The operation's metric, or the kernel's default. */
function metricOf({ priority }: Params, { family }: Route): number {
  return priority ?? (family === 'inet6' ? 1024 : 0)
}

/** The number of the main table: rt_tables(5). */
export const MAIN = 254

function covers(dst: string, address: string): boolean {
  if (dst === 'default') return false
  return contains(dst.includes('/') ? dst : `${dst}/${isIpv6(dst) ? 128 : 32}`, address)
}
