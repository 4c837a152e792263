import * as z from 'zod'
import { findLink, HOST, INTERNET, type State } from '../state/state.ts'
import { type CableEnd, isAt, otherEnd } from '../state/topology.ts'
import { ALONE, type Around, type Place } from './around.ts'
import { clear, rename } from './made-link.ts'
import { interfaceName, netnsName, netnsPlace } from './names.ts'
import {
  type Before,
  type Command,
  type OperationKind,
  HOST_PID,
  inNetns,
  ip,
  missingLink,
  missingNetns,
  placeId,
  resource,
  whereIs,
} from './operation.ts'
import { isOurs } from './same-link.ts'
import { isWayOut } from './way-out.ts'

interface Params {
  ifname: string
  netns: string
  /** The namespace that it is taken from; by default the host. */
  from?: string | undefined
  /** Its name there; by default it keeps its own. */
  name?: string | undefined
}

const nameThere = (p: Params) => p.name ?? p.ifname

/** Moves an interface of the host into a namespace: ip-link(8), `link set … netns`. */
export const attachNetns: OperationKind<'attach-netns', Params> = {
  kind: 'attach-netns',
  title: 'an interface is moved into a namespace',
  step: () => 'attach-netns',
  get params() {
    return z
      .strictObject({
        ifname: interfaceName.describe('the interface'),
        netns: netnsName.describe('the namespace that it goes into'),
        from: netnsPlace.optional().describe('the namespace that it is taken from; by default the host'),
        name: interfaceName.optional().describe('its name there; by default it keeps its own'),
      })
      .refine((p) => p.ifname !== 'lo' && p.name !== 'lo', {
        error: 'every namespace has its own lo, which cannot be moved or replaced, for example: veth-red',
        path: ['ifname'],
      })
  },
  id: (p) => placeId(p.netns, nameThere(p)),
  // Somebody may have moved it elsewhere, and renamed it.
  reads: () => ({ namespaces: 'everywhere' }),
  moves: (p) => ({ from: { ifname: p.ifname, netns: p.from }, to: { ifname: nameThere(p), netns: p.netns } }),
  provides: (p) => [resource.link(nameThere(p), p.netns)],
  needs: (p) => [resource.netns(p.netns), resource.link(p.ifname, p.from)],
  apply: (p) => [
    ip(p.from, 'link', 'set', 'dev', p.ifname, 'netns', p.netns, ...(p.name === undefined ? [] : ['name', p.name])),
  ],
  target: ({ ifname, from }) => ({ ifname, netns: from }),
  undo: (p, before, now) =>
    findMoved(p, before, now).isSame && !findLink(now, p.ifname, p.from)
      ? [
          ip(
            p.netns,
            'link',
            'set',
            'dev',
            nameThere(p),
            'netns',
            p.from ?? HOST_PID,
            ...(p.name === undefined ? [] : ['name', p.ifname]),
          ),
        ]
      : [],
  mend: (p, now, around) => {
    // Another interface may have its name there.
    const removal = clear(nameThere(p), p.netns, now)
    const astray = findAstray(p, now, around)
    if (astray?.netns === p.netns) return [...removal, ...rename(astray, nameThere(p), now)]
    if (astray) return [...removal, ...move(astray, p)]
    return removal.length === 0 ? [] : [...removal, ...attachNetns.apply(p)]
  },
  altered: (p, before, now) => findMoved(p, before, now).altered,
  explain: (p) => ({
    undoing: `Take ${nameThere(p)} out of namespace ${p.netns}, back to ${p.from === undefined ? 'the host' : `namespace ${p.from}`}`,
    what: `Move ${p.ifname} into namespace ${p.netns}${p.name === undefined ? '' : ` and call it ${p.name}`}`,
    why: "An interface lives in exactly one namespace. Once moved, it is gone from the host's list and is the container's own network card.",
  }),
  expected: (p) => `${nameThere(p)} is in namespace ${p.netns}`,
  judge: (p, now, around = ALONE) => {
    const blocked = missingNetns(p.netns, now) ?? missingNetns(p.from, now)
    if (blocked) return blocked
    const origin = whereIs(p.from ?? HOST)
    const here = findLink(now, p.ifname, p.from)
    const there = findLink(now, nameThere(p), p.netns)
    const [, ...onward] = around.places({ ifname: nameThere(p), netns: p.netns })
    const further = onward.find((place) => isMoved(place, now, around))
    if (further && !here) return { status: 'present', actual: `${further.ifname} is ${whereIs(further.netns ?? HOST)}` }
    if (there && !isMoved({ ifname: nameThere(p), netns: p.netns }, now, around))
      return { status: 'differs', actual: `${nameThere(p)} in namespace ${p.netns} is another interface` }
    if (there && here && !around.opposite)
      return {
        status: 'differs',
        actual: `${p.netns} already has an interface ${nameThere(p)}, and ${p.ifname} is still ${origin}`,
      }
    if (there) return { status: 'present', actual: `${nameThere(p)} is in namespace ${p.netns}` }
    if (here) return { status: 'absent', actual: `${p.ifname} is still ${origin}`, before: {} }
    const astray = findAstray(p, now, around)
    if (!astray) return missingLink(p.ifname, p.from)
    const { name } = astray.link
    const how = name === p.ifname ? `, and no ${nameThere(p)}` : `, where it is called ${name}`
    return { status: 'differs', actual: `${p.ifname} is ${whereIs(astray.netns)}${how}` }
  },
}

/** Whether the interface in a place is the moved one, as far as the plan tells whose end that is. */
function isMoved({ ifname, netns = HOST }: Place, now: State, { opposite }: Around): boolean {
  const link = findLink(now, ifname, netns)
  if (!link || !opposite) return link !== undefined
  const far = link.kind === 'veth' ? otherEnd(now, { netns, link }) : undefined
  return opposite.some((place) => isAt(far, place))
}

/**
 * The interface, if it is in the wrong place: in a third namespace, or in the right one under another name. The other end of
 * its cable leads to it. If that and its name are unknown, it must be the only cable that leads there.
 */
function findAstray(p: Params, now: State, { opposite }: Around = ALONE): CableEnd | undefined {
  const { ifname, netns, from, name = ifname } = p
  for (const place of opposite ?? []) {
    const link = findLink(now, place.ifname, place.netns)
    const end = link?.kind === 'veth' ? otherEnd(now, { netns: place.netns ?? HOST, link }) : undefined
    if (end && end.netns !== INTERNET) return isAt(end, { ifname, netns: from }) ? undefined : end
  }
  if (opposite) return undefined
  for (const [place, namespace] of now) {
    if (place === INTERNET || (place === netns && name === ifname) || place === (from ?? HOST)) continue
    const link = namespace?.links.find((one) => one.name === ifname)
    if (link && !isWayOut(ifname, place === HOST ? undefined : place, now)) return { netns: place, link }
  }
  const cables = (now.get(netns)?.links ?? []).filter(
    (link) => link.kind === 'veth' && otherEnd(now, { netns, link })?.netns === (from ?? HOST),
  )
  const [link, another] = cables
  return link && !another ? { netns, link } : undefined
}

function move({ netns, link }: CableEnd, p: Params): Command[] {
  return [
    ip(netns === HOST ? undefined : netns, 'link', 'set', 'dev', link.name, 'netns', p.netns, 'name', nameThere(p)),
  ]
}

/** Whether the moved interface is still there, or how it was changed. Its index may have changed with the move; ours also bears our alias. */
function findMoved(p: Params, { link }: Before, now: State): { isSame: boolean; altered?: string } {
  const name = nameThere(p)
  const there = findLink(now, name, p.netns)
  if (there && (link === undefined || there.mac === link.mac)) return { isSame: true }
  if (there && isOurs(there))
    return { isSame: false, altered: `${name}${inNetns(p.netns)} has another MAC address now` }
  const renamed = now.get(p.netns)?.links.find(({ mac }) => mac === link?.mac)
  return renamed
    ? { isSame: false, altered: `${name}${inNetns(p.netns)} is called ${renamed.name} now` }
    : { isSame: false }
}
