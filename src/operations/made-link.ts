import { type Address, findLink, HOST, type Link, type State } from '../state/state.ts'
import type { CableEnd } from '../state/topology.ts'
import type { Place } from './around.ts'
import {
  type Before,
  type Command,
  type Derive,
  HOST_PID,
  ip,
  macFrom,
  MARK_ALIAS,
  type Mark,
  type MarkedLink,
  type Resource,
  resource,
} from './operation.ts'
import { wholeRoute } from './route.ts'
import { isOurs } from './same-link.ts'
import { isWayOut } from './way-out.ts'

/** The parameters that all kinds which create one interface share. On the machine it gets a mark. */
export interface LinkParams {
  name: string
  netns?: string | undefined
  mark?: Mark | undefined
}

/** The members that all kinds which create one interface share; `type` is its type in ip-link(8). */
export function madeLink(type: string) {
  return {
    // Its mark is a MAC address that nothing else has.
    mark: <P extends LinkParams>(p: P, derive: Derive): P => ({
      ...p,
      mark: p.mark ?? { mac: macFrom(derive('mac')) },
    }),
    marks: ({ name, netns, mark }: LinkParams): MarkedLink[] => (mark ? [{ ifname: name, netns, mac: mark.mac }] : []),
    provides: ({ name, netns }: LinkParams): Resource[] => [resource.link(name, netns)],
    undo: (p: LinkParams, _before: Before, now: State): Command[] =>
      findMade(p, type, now) ? [ip(p.netns, 'link', 'delete', 'dev', p.name)] : [],
    altered: (p: LinkParams, _before: Before, now: State): string | undefined => alteredMade(p, type, now),
  }
}

/**
 * The commands that create an interface, and mark it. `type`: its type and the type's options. `on`: its parent; with
 * `fromHost` the parent is on the host, wherever the interface itself is created.
 */
export function addLink(
  { name, netns, mark }: LinkParams,
  {
    type,
    on,
    fromHost = false,
    mtu,
  }: { type: readonly string[]; on?: string; fromHost?: boolean; mtu?: number | undefined },
): Command[] {
  return [
    ip(
      fromHost ? undefined : netns,
      'link',
      'add',
      ...(on === undefined ? [] : ['link', on]),
      'name',
      name,
      ...(fromHost && netns !== undefined ? ['netns', netns] : []),
      ...(mark ? ['address', mark.mac] : []),
      ...(mtu === undefined ? [] : ['mtu', String(mtu)]),
      'type',
      ...type,
    ),
    ...(mark ? [ip(netns, 'link', 'set', 'dev', name, 'alias', MARK_ALIAS)] : []),
  ]
}

/** The interface of this name and kind (as in ip-link(8)), if it is the one we created: without a mark, any of that name. */
export function findMade({ name, netns, mark }: LinkParams, kind: string, now: State): Link | undefined {
  const link = findLink(now, name, netns)
  return link?.kind === kind && (!mark || link.mac === mark.mac) ? link : undefined
}

/** How somebody changed the interface that bears our mark, in words; undefined if it is as we created it, or gone. */
function alteredMade({ name, netns, mark }: LinkParams, kind: string, now: State): string | undefined {
  if (!mark) return undefined
  const all = (now.get(netns ?? HOST)?.links ?? []).filter((link) => link.kind === kind)
  const named = all.find((link) => link.name === name)
  if (named?.mac === mark.mac) return undefined
  if (named && isOurs(named)) return `${name} has another MAC address now`
  const renamed = all.find(({ mac }) => mac === mark.mac)
  return renamed && `${name} is called ${renamed.name} now`
}

/** The commands that delete whatever interface has this name; none if nothing has it, or if it is lo or the host's way out. */
export function clear(name: string, netns: string | undefined, now: State): Command[] {
  const link = findLink(now, name, netns)
  return link && name !== 'lo' && !isWayOut(name, netns, now) ? [ip(netns, 'link', 'delete', 'dev', name)] : []
}

/** The commands that delete what is in an interface's place, and then create it; none if that must not be deleted. */
export function makeAnew({ name, netns }: LinkParams, make: readonly Command[], now: State): Command[] {
  const removal = clear(name, netns, now)
  return removal.length === 0 ? [] : [...removal, ...make]
}

/** The command that sets an interface's MTU, in bytes; none if it has it already, or if `mtu` is undefined. */
export function setMtu(link: Link, mtu: number | undefined, netns: string | undefined): Command[] {
  return mtu === undefined || link.mtu === mtu ? [] : [ip(netns, 'link', 'set', 'dev', link.name, 'mtu', String(mtu))]
}

/**
 * Commands that give an interface another name. It must be down for that, whereby it loses its routes, and its addresses of
 * IPv6: they are put back, but for what the kernel and routers bring by themselves.
 */
export function rename({ netns, link }: CableEnd, name: string, now: State): Command[] {
  const place = netns === HOST ? undefined : netns
  const set = (...words: string[]) => ip(place, 'link', 'set', 'dev', ...words)
  if (!link.up) return [set(link.name, 'name', name)]
  const addresses = link.addresses.filter(({ family, scope }) => family === 'inet6' && scope !== 'link')
  const { routes = [], policyRoutes = [] } = now.get(netns) ?? {}
  const lost = [...routes, ...policyRoutes].filter(
    ({ dev, protocol }) => dev === link.name && !BY_THEMSELVES.includes(protocol),
  )
  // A gateway must be within reach.
  const direct = lost.filter(({ via }) => via === undefined)
  return [
    set(link.name, 'down'),
    set(link.name, 'name', name),
    set(name, 'up'),
    ...addresses.map((one) => ip(place, 'address', 'add', ...addressWords(one, name))),
    ...[...direct, ...lost.filter((one) => !direct.includes(one))].map((one) =>
      ip(place, 'route', 'add', ...wholeRoute({ ...one, dev: name })),
    ),
  ]
}

/** Commands that bring an interface to a place, under its name there. */
export function bring(end: CableEnd, { ifname, netns }: Place, now: State): Command[] {
  const { netns: place, link } = end
  if (place === (netns ?? HOST)) return rename(end, ifname, now)
  const origin = place === HOST ? undefined : place
  return [ip(origin, 'link', 'set', 'dev', link.name, 'netns', netns ?? HOST_PID, 'name', ifname)]
}

/** Protocols of routes that come by themselves: ip-route(8), `proto`. */
const BY_THEMSELVES: readonly string[] = ['kernel', 'ra', 'redirect']

function addressWords({ address, prefix, prefixRoute }: Address, ifname: string): string[] {
  return [`${address}/${prefix}`, 'dev', ifname, 'nodad', ...(prefixRoute ? [] : ['noprefixroute'])]
}
