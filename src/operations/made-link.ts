import { type Address, findLink, HOST, type Link, type State } from '../state/state.ts'
import type { CableEnd } from '../state/topology.ts'
import { sha256 } from '../sha256.ts'
import type { Place } from './around.ts'
import {
  aliasOf,
  type Before,
  type Command,
  type Derive,
  HOST_PID,
  ip,
  macFrom,
  type Mark,
  type MarkedLink,
  type Resource,
  resource,
  type Verdict,
} from './operation.ts'
import { wholeRoute } from './route.ts'
import { isOurs, markAlias, markOf } from './same-link.ts'
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
    undo: (p: LinkParams, _before: Before, now: State): Command[] => deletion(findMade(p, type, now), p.netns),
    altered: (p: LinkParams, _before: Before, now: State): string | undefined => alteredMade(p, type, now),
  }
}

/** Where the parent of an interface is: on the host, or in the interface's own namespace. */
export const PARENT_PLACES = ['host', 'netns'] as const

/** The parameters of kinds whose interface lies on another one. */
export interface ParentParams extends LinkParams {
  parent: string
  parentIn?: (typeof PARENT_PLACES)[number] | undefined
}

/**
 * The name under which an interface is made whose parent is in another namespace, until it gets its own: a kernel before 6.15
 * refuses a name that an interface of the parent's namespace has (rtnetlink(7)), such as `eth0`.
 */
export function passingName({ name, netns = '' }: LinkParams): string {
  return `new-${sha256(`${netns}/${name}`).slice(0, 11)}`
}

/**
 * The commands that create an interface, and mark it. `type`: its type and the type's options. `on`: its parent; with
 * `fromHost` the parent is on the host, wherever the interface itself is created.
 */
export function addLink(
  p: LinkParams,
  {
    type,
    on,
    fromHost = false,
    mtu,
    sharesMac = false,
  }: {
    type: readonly string[]
    on?: string
    fromHost?: boolean
    mtu?: number | undefined
    /** Its MAC address is its parent's: its alias tells its mark, and comes with its name. */
    sharesMac?: boolean
  },
): Command[] {
  const { name, netns, mark } = p
  const isApart = fromHost && netns !== undefined
  const isPassing = isApart || (sharesMac && mark !== undefined)
  const first = isPassing ? passingName(p) : name
  const alias = mark && (sharesMac && mark.owner === undefined ? markAlias(mark) : aliasOf(mark))
  const changes = [...(isPassing ? ['name', name] : []), ...(alias === undefined ? [] : ['alias', alias])]
  return [
    ip(
      fromHost ? undefined : netns,
      'link',
      'add',
      ...(on === undefined ? [] : ['link', on]),
      'name',
      first,
      ...(isApart ? ['netns', netns] : []),
      ...(mark && !sharesMac ? ['address', mark.mac] : []),
      ...(mtu === undefined ? [] : ['mtu', String(mtu)]),
      'type',
      ...type,
    ),
    ...(changes.length === 0 ? [] : [ip(netns, 'link', 'set', 'dev', first, ...changes)]),
  ]
}

/** The interface of this name and kind (as in ip-link(8)), if it is the one we created: without a mark, any of that name. */
export function findMade(p: LinkParams, kind: string, now: State): Link | undefined {
  const { name, netns, mark } = p
  const isIt = (link: Link | undefined) => link?.kind === kind && (!mark || markOf(link) === mark.mac)
  const link = findLink(now, name, netns)
  return isIt(link) ? link : findUnnamed(p, now)
}

/** The interface, where it was made but has not got its own name. */
export function findUnnamed(p: LinkParams, now: State): Link | undefined {
  return findLink(now, passingName(p), p.netns)
}

function deletion(link: Link | undefined, netns: string | undefined): Command[] {
  return link ? [ip(netns, 'link', 'delete', 'dev', link.name)] : []
}

/** How somebody changed the interface that bears our mark, in words; undefined if it is as we created it, or gone. */
function alteredMade(p: LinkParams, kind: string, now: State): string | undefined {
  const { name, netns, mark } = p
  if (!mark || findMade(p, kind, now)) return undefined
  const all = (now.get(netns ?? HOST)?.links ?? []).filter((link) => link.kind === kind)
  const named = all.find((link) => link.name === name)
  if (named && isOurs(named)) return `${name} has another MAC address now`
  const renamed = all.find((link) => markOf(link) === mark.mac)
  return renamed && `${name} is called ${renamed.name} now`
}

/**
 * Whether an interface lies on its parent. From another namespace, only the parent's index is known. A macvlan on
 * another one the kernel puts on that one's own parent, beside it; an ipvlan likewise.
 */
export function liesOn(link: Link, p: ParentParams, parentNetns: string | undefined, now: State): boolean {
  const parent = findLink(now, p.parent, parentNetns)
  const isNear = p.netns === parentNetns
  if (isNear ? link.peer === p.parent : isAtIndex(link, parent)) return true
  if (link.kind !== parent?.kind || !['macvlan', 'ipvlan'].includes(link.kind)) return false
  return isNear
    ? link.peer === parent.peer && link.peerIndex === parent.peerIndex && link.peerNetnsId === parent.peerNetnsId
    : parent.peer !== undefined && isAtIndex(link, findLink(now, parent.peer, parentNetns))
}

function isAtIndex({ peerIndex }: Link, parent: Link | undefined): boolean {
  return parent !== undefined && peerIndex === parent.index
}

/**
 * What is wrong with an interface that is otherwise as it should be, `actual`: its MTU, or the MAC address that belongs to its
 * attachment.
 */
export function wrongOf(
  link: Link,
  { mtu, mark }: LinkParams & { mtu?: number | undefined },
  actual: string,
): Extract<Verdict, { status: 'differs' }> | undefined {
  if (mtu !== undefined && link.mtu !== mtu) return { status: 'differs', actual: `${actual}, with the MTU ${link.mtu}` }
  return mark?.owner !== undefined && link.mac !== mark.mac
    ? { status: 'differs', actual: `${actual}, with the MAC address ${link.mac}` }
    : undefined
}

/** The commands that delete whatever interface has this name; none if nothing has it, or if it is lo or the host's way out. */
export function clear(name: string, netns: string | undefined, now: State): Command[] {
  const link = findLink(now, name, netns)
  return link && name !== 'lo' && !isWayOut(name, netns, now) ? [ip(netns, 'link', 'delete', 'dev', name)] : []
}

/** The commands that delete what is in an interface's place, and then create it; none if that must not be deleted. */
export function makeAnew(p: LinkParams, make: readonly Command[], now: State): Command[] {
  const removal = [...clear(p.name, p.netns, now), ...deletion(findUnnamed(p, now), p.netns)]
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
