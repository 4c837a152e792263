import * as z from 'zod'
import { findLink, findLinkAnywhere, HOST, INTERNET, type State, isUplink } from '../state/state.ts'
import { type CableEnd, isAt, otherEnd } from '../state/topology.ts'
import { ALONE, type Around } from './around.ts'
import { interfaceName, netnsPlace } from './names.ts'
import { mtuSize } from './scalars.ts'
import { bring, clear, setMtu } from './made-link.ts'
import {
  type Command,
  type Mark,
  type OperationKind,
  aliasOf,
  HOST_PID,
  idIn,
  inNetns,
  ip,
  macFrom,
  missingNetns,
  resource,
  namedNetns,
  placeId,
} from './operation.ts'
import { markSchema } from './schemas.ts'
import { isOurs } from './same-link.ts'
import { isWayOut, interfacesOn } from './way-out.ts'

interface Params {
  name: string
  netns?: string | undefined
  peer: string
  peerNetns?: string | undefined
  mtu?: number | undefined
  mark?: Mark | undefined
}

/** A veth pair, a virtual cable: veth(4). Each end can be created directly in its namespace, which saves moving it. */
export const veth: OperationKind<'veth', Params> = {
  kind: 'veth',
  title: 'a veth pair, a virtual cable; each end may be made in a namespace at once',
  step: () => 'veth',
  get params() {
    return z
      .strictObject({
        name: interfaceName.describe('name of one end'),
        netns: netnsPlace.optional().describe('the namespace that it is made in; the host without it'),
        peer: interfaceName.describe('name of the other end'),
        peerNetns: netnsPlace.optional().describe('the namespace that the other end is made in; the host without it'),
        mtu: mtuSize.optional().describe('the largest packet that it carries, in bytes; the kernel begins with 1500'),
        mark: markSchema.optional(),
      })
      .refine((p) => p.name !== p.peer || p.netns !== p.peerNetns, {
        error: (issue) => {
          const { name } = z.object({ name: z.string() }).catch({ name: '' }).parse(issue.input)
          return `both ends of a veth pair are called '${name}': two interfaces of one namespace cannot share a name, for example: veth-red veth-red-br`
        },
        path: ['peer'],
      })
  },
  id: (p) => idIn(p.netns, p.name),
  normal: (p) =>
    placeId(p.netns, p.name) <= placeId(p.peerNetns, p.peer)
      ? p
      : { ...p, name: p.peer, netns: p.peerNetns, peer: p.name, peerNetns: p.netns },
  // Both ends may have been moved anywhere; the pair of an attachment is known by its names and MACs.
  reads: (p) => ({ namespaces: p.mark?.owner === undefined ? 'everywhere' : namedNetns(p.netns, p.peerNetns) }),
  isSame: (p, other) => p.name === other.name || (p.name === other.peer && p.netns === other.peerNetns),
  modules: 'veth',
  mark: (p, derive) => ({ ...p, mark: p.mark ?? { mac: macFrom(derive('mac')), peerMac: macFrom(derive('peer')) } }),
  lingers: true,
  provides: (p) => [resource.link(p.name, p.netns), resource.link(p.peer, p.peerNetns)],
  needs: (p) => [p.netns, p.peerNetns].flatMap((netns) => (netns === undefined ? [] : [resource.netns(netns)])),
  ends: ({ name, netns, peer, peerNetns }) => [
    { ifname: name, netns },
    { ifname: peer, netns: peerNetns },
  ],
  apply: ({ name, netns, peer, peerNetns, mtu, mark }) => {
    const mac = (address: string | undefined) => (address === undefined ? [] : ['address', address])
    const size = mtu === undefined ? [] : ['mtu', String(mtu)]
    const at = (place: string | undefined, other: string | undefined) =>
      place === other ? [] : ['netns', place ?? HOST_PID]
    const add = ip(
      netns,
      'link',
      'add',
      'name',
      name,
      ...mac(mark?.mac),
      ...size,
      'type',
      'veth',
      'peer',
      'name',
      peer,
      ...mac(mark?.peerMac),
      ...size,
      ...at(peerNetns, netns),
    )
    const alias = (ifname: string, place: string | undefined) =>
      ip(place, 'link', 'set', 'dev', ifname, 'alias', aliasOf(mark ?? {}))
    // If names derive from an owner, the alias of the peer is not needed: it would take one more process.
    if (mark?.owner !== undefined) return [add, alias(name, netns)]
    return mark ? [add, alias(name, netns), alias(peer, peerNetns)] : [add]
  },
  undo: (p, _before, now, around) => {
    const end =
      p.mark?.owner === undefined
        ? p.mark
          ? (findByMac(now, p.mark.mac) ?? findByMac(now, p.mark.peerMac))
          : p.name === p.peer
            ? findOne(p.name, now)
            : findPair(p, now, around).end
        : findOwned(p.name, p.netns, p.mark.mac, now)
    return end?.link.kind === 'veth'
      ? [ip(end.netns === HOST ? undefined : end.netns, 'link', 'delete', 'dev', end.link.name)]
      : []
  },
  marks: ({ name, netns, peer, peerNetns, mark }) => [
    ...(mark ? [{ ifname: name, netns, mac: mark.mac }] : []),
    ...(mark?.peerMac === undefined ? [] : [{ ifname: peer, netns: peerNetns, mac: mark.peerMac }]),
  ],
  mend: mendEnds,
  altered: (p, _before, now) => alteredEnds(p, now),
  users: (p, now) => (p.mark ? interfacesOn(p.name, p.netns, now) : []),
  refusal: (p, now, line) =>
    isUplink(findLink(now, p.name))
      ? { actual: `${p.name} is the sandbox's uplink`, fix: `name one of your own: ${line('netns', 'list')}` }
      : undefined,
  explain: (p) => ({
    what: `Create the veth pair ${p.name} and ${p.peer}`,
    undoing: p.name === p.peer ? `Delete the veth pair of ${p.name}` : `Delete the veth pair ${p.name} and ${p.peer}`,
    why: 'A veth pair is a virtual cable: what goes in at one end comes out at the other, even when the ends live in different namespaces. It is made first and plugged in afterwards.',
  }),
  expected: (p) => `${p.name} and ${p.peer} are the ends of a veth pair`,
  judge: (p, now, around) => {
    const verdict = judgeEnds(p, now, around)
    // The namespace of one end may be missing, and something else have the name of the other. What an owner's names derive
    // from is nobody else's.
    if (verdict.status === 'differs' && p.mark?.owner === undefined) return verdict
    return missingNetns(p.netns, now) ?? missingNetns(p.peerNetns, now) ?? verdict
  },
}

/**
 * Finds one end of the pair, where it was made or where the plan moves it. An end that was created on the host may have been
 * moved since, and renamed, by others, too: then the other one leads to it. `other` says, in words, that something else has
 * one of the names.
 */
function findPair(p: Params, now: State, around: Around = ALONE): { end?: CableEnd; other?: string } {
  const places = around.places({ ifname: p.name, netns: p.netns })
  const opposite = around.places({ ifname: p.peer, netns: p.peerNetns })
  for (const { ifname, netns = HOST } of places) {
    const link = findLink(now, ifname, netns)
    const far = link?.kind === 'veth' ? otherEnd(now, { netns, link }) : undefined
    if (link && opposite.some((place) => isAt(far, place))) return { end: { netns, link } }
  }
  const ends = [
    [p.name, p.netns, p.peer, p.peerNetns],
    [p.peer, p.peerNetns, p.name, p.netns],
  ] as const
  for (const [ifname, netns, peer, peerNetns] of ends) {
    const link = findLink(now, ifname, netns)
    if (!link) continue
    if (link.kind !== 'veth') return { other: `${ifname}${inNetns(netns)} is not a veth` }
    const end = { netns: netns ?? HOST, link }
    const far = otherEnd(now, end)
    // Nobody can reach it there any more, to bring it to its place.
    const isPlaced = around.places({ ifname: peer, netns: peerNetns }).some((place) => isNamed(place.netns))
    if (!far && isPlaced) return { other: `the other end of ${ifname} is in a namespace without a name` }
    if (far?.netns === INTERNET) return { other: `${ifname} is the uplink` }
    const isMoved = peerNetns === undefined && far !== undefined && far.netns !== HOST
    const isPeer = far?.link.name === peer && far.netns === (peerNetns ?? HOST)
    if (far && !isMoved && !isPeer)
      return {
        other: `the other end of ${ifname} is ${far.link.name}${inNetns(far.netns === HOST ? undefined : far.netns)}, not ${peer}`,
      }
    return { end }
  }
  if (p.netns !== undefined || p.peerNetns !== undefined) return {}
  const [near, far] = [findLinkAnywhere(now, p.name), findLinkAnywhere(now, p.peer)]
  return near && far && otherEnd(now, near)?.link === far.link ? { end: near } : {}
}

/** Whether a namespace has a name: one of a path need not have been read. */
const isNamed = (netns: string | undefined) => netns?.startsWith('/') === false

/** The end of a pair of which we know only one name: on the host, or wherever it was moved to. */
function findOne(name: string, now: State): CableEnd | undefined {
  const end = findLinkAnywhere(now, name)
  return end?.link.kind === 'veth' && otherEnd(now, end)?.netns !== INTERNET && end.netns !== INTERNET ? end : undefined
}

/** The end that an owner's name and MAC identify. (The other end's MAC may not be unique: runtimes may request one.) */
function findOwned(name: string, netns: string | undefined, mac: string, now: State): CableEnd | undefined {
  const link = findLink(now, name, netns)
  return link?.mac === mac ? { link, netns: netns ?? HOST } : undefined
}

/** How somebody changed our pair, in words, if `undo` no longer finds it: it has our alias under its name, or our MAC under another. */
function alteredEnds(p: Params, now: State): string | undefined {
  const { mark } = p
  if (!mark || veth.undo(p, {}, now).length > 0) return undefined
  const ends = [
    [p.name, p.netns],
    [p.peer, p.peerNetns],
  ] as const
  const there = ends.find(([ifname, netns]) => {
    const link = findLink(now, ifname, netns)
    return link?.kind === 'veth' && isOurs(link)
  })
  if (there) return `${there[0]}${inNetns(there[1])} has another MAC address now`
  const renamed = now.get(p.netns ?? HOST)?.links.find((link) => link.mac === mark.mac && isOurs(link))
  return renamed && `${p.name}${inNetns(p.netns)} is called ${renamed.name} now`
}

/** The end with this MAC. Only veths count: a bridge may have the MAC of a port. */
function findByMac(now: State, mac: string | undefined): CableEnd | undefined {
  for (const [netns, namespace] of now) {
    const link = namespace?.links.find((candidate) => candidate.kind === 'veth' && candidate.mac === mac)
    if (link) return { link, netns }
  }
  return undefined
}

function judgeEnds(p: Params, now: State, around?: Around): ReturnType<typeof veth.judge> {
  if (p.mark?.owner !== undefined) return judgeOwned(p, p.mark, now)
  const { end, other } = findPair(p, now, around)
  if (other !== undefined) return { status: 'differs', actual: other }
  const wrong = end && wrongMtu(p, end, now)
  if (wrong) return { status: 'differs', actual: `${wrong.link.name} has the MTU ${wrong.link.mtu}` }
  if (end) return { status: 'present', actual: `${end.link.name} is one end of a veth pair` }
  return { status: 'absent', actual: `there is no veth pair ${p.name} and ${p.peer}`, before: {} }
}

/** An end of the pair with another MTU than requested. */
function wrongMtu({ mtu }: Params, near: CableEnd, now: State): CableEnd | undefined {
  const ends = [near, otherEnd(now, near)].filter((end) => end !== undefined)
  return mtu === undefined ? undefined : ends.find(({ link }) => link.mtu !== mtu)
}

/**
 * Of a cable that has one of the two ends, the other one gets its name and is brought to its place: so the first keeps its
 * addresses, its bridge and all else. What has the other's name is removed. Only where no cable has either end what is in
 * the way is removed, and the pair made.
 */
function mendEnds(p: Params, now: State, around?: Around): Command[] {
  const { end, other } = findPair(p, now, around)
  if (end && other === undefined)
    return [end, otherEnd(now, end)].flatMap((one) =>
      one ? setMtu(one.link, p.mtu, one.netns === HOST ? undefined : one.netns) : [],
    )
  const ends = [
    [p.name, p.netns, p.peer, p.peerNetns],
    [p.peer, p.peerNetns, p.name, p.netns],
  ] as const
  const cables = ends.flatMap(([ifname, netns, peer, peerNetns]) => {
    const link = findLink(now, ifname, netns)
    const far = link?.kind === 'veth' ? otherEnd(now, { netns: netns ?? HOST, link }) : undefined
    return far ? [{ far, peer, peerNetns }] : []
  })
  const isToStay = ({ netns, link }: CableEnd) =>
    netns === INTERNET || isWayOut(link.name, netns === HOST ? undefined : netns, now)
  if (cables.some(({ far }) => isToStay(far)) || ends.some(([ifname, netns]) => isWayOut(ifname, netns, now))) return []
  const [cable] = cables
  if (!cable) {
    const removals = ends.flatMap(([ifname, netns]) => clear(ifname, netns, now))
    return removals.length === 0 ? [] : [...removals, ...veth.apply(p)]
  }
  const { far, peer, peerNetns } = cable
  return [...clear(peer, peerNetns, now), ...bring(far, { ifname: peer, netns: peerNetns }, now)]
}

/** Names and MACs that derive from an owner identify the pair by themselves; its ends' indices need not be compared. */
function judgeOwned(p: Params, mark: Mark, now: State): ReturnType<typeof veth.judge> {
  const near = findLink(now, p.name, p.netns)
  const far = findLink(now, p.peer, p.peerNetns)
  const strange = [[p.name, p.netns, near, mark.mac] as const, [p.peer, p.peerNetns, far, mark.peerMac] as const].find(
    ([, , link, mac]) => link && (link.kind !== 'veth' || link.mac !== mac),
  )
  if (strange) {
    const [name, netns, link] = strange
    const what = link?.kind === 'veth' ? `a veth with the MAC ${link.mac}` : 'no veth'
    return { status: 'differs', actual: `${name}${inNetns(netns)} is ${what}` }
  }
  if (near && far) return { status: 'present', actual: `${p.name} and ${p.peer} are there` }
  const gone = near ? p.peer : p.name
  const other = near ?? far
  return other
    ? {
        status: 'differs',
        actual: `${gone}${inNetns(near ? p.peerNetns : p.netns)} is gone, and ${other.name} is there`,
      }
    : { status: 'absent', actual: `there is no veth pair ${p.name} and ${p.peer}`, before: {} }
}
