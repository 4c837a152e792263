import * as z from 'zod'
import { findLink, type Link, type State } from '../state/state.ts'
import { type LinkParams, makeAnew, setMtu, addLink, madeLink } from './made-link.ts'
import { interfaceName, netnsPlace } from './names.ts'
import { mtuSize } from './scalars.ts'
import { inNetns, missingLink, missingNetns, namedNetns, type OperationKind, placeId, resource } from './operation.ts'
import { markSchema } from './schemas.ts'
import { interfacesOn } from './way-out.ts'

/** How the interfaces on one parent see each other: ip-link(8), type macvlan. */
export const MACVLAN_MODES = ['bridge', 'private', 'vepa', 'passthru'] as const

interface Params extends LinkParams {
  /** The host's interface that it shares. */
  parent: string
  mode?: (typeof MACVLAN_MODES)[number] | undefined
  mtu?: number | undefined
}

const modeOf = ({ mode = 'bridge' }: Params) => mode

/**
 * An interface with its own MAC address that shares another one's cable: ip-link(8), type macvlan. It can be created
 * directly in a container's namespace.
 */
export const macvlan: OperationKind<'macvlan', Params> = {
  kind: 'macvlan',
  title: 'a macvlan interface: one more machine on the cable of another interface',
  step: () => 'veth',
  get params() {
    return z.strictObject({
      name: interfaceName.describe('name of the interface'),
      netns: netnsPlace.optional().describe('the namespace to create it in; by default the host'),
      parent: interfaceName.describe("the host's interface that it shares"),
      mode: z
        .enum(MACVLAN_MODES, {
          error: `the mode of a macvlan is one of ${MACVLAN_MODES.join(', ')}, for example: bridge`,
        })
        .optional()
        .describe('how the interfaces on one parent see each other; by default bridge'),
      mtu: mtuSize.optional().describe('the largest packet that it carries, in bytes'),
      mark: markSchema.optional(),
    })
  },
  id: (p) => placeId(p.netns, p.name),
  // To delete it, one need not know its parent.
  isSame: (p, other) => p.name === other.name && p.netns === other.netns,
  ...madeLink('macvlan'),
  reads: (p) => ({ namespaces: namedNetns(p.netns) }),
  modules: 'macvlan',
  needs: (p) => [resource.link(p.parent), ...namedNetns(p.netns).map(resource.netns)],
  apply: (p) => addLink(p, { type: ['macvlan', 'mode', modeOf(p)], on: p.parent, fromHost: true, mtu: p.mtu }),
  mend: (p, now) => {
    const link = findLink(now, p.name, p.netns)
    return link?.kind === 'macvlan' && liesOn(link, p, now) && link.macvlanMode === modeOf(p)
      ? setMtu(link, p.mtu, p.netns)
      : makeAnew(p, macvlan.apply(p), now)
  },
  users: (p, now) => (p.mark ? interfacesOn(p.name, p.netns, now) : []),
  explain: (p) => ({
    undoing: `Delete the macvlan interface ${p.name}${inNetns(p.netns)}`,
    what: `Create the macvlan interface ${p.name} on ${p.parent}${inNetns(p.netns)}`,
    why: 'A macvlan interface shares the cable of its parent and has a MAC address of its own: to the network it is one more machine, and it needs no bridge. The host itself cannot reach it through the parent.',
  }),
  expected: (p) => `${p.name}${inNetns(p.netns)} is a macvlan interface on ${p.parent}, mode ${modeOf(p)}`,
  judge: (p, now) => {
    const blocked = missingNetns(p.netns, now)
    if (blocked) return blocked
    const place = `${p.name}${inNetns(p.netns)}`
    const link = findLink(now, p.name, p.netns)
    if (!link)
      return findLink(now, p.parent)
        ? { status: 'absent', actual: `there is no interface ${place}`, before: {} }
        : missingLink(p.parent, undefined)
    if (link.kind !== 'macvlan') return { status: 'differs', actual: `${place} is something else` }
    const isOnIt = liesOn(link, p, now)
    const actual = `${place} is a macvlan interface on ${isOnIt ? p.parent : 'another one'}, mode ${link.macvlanMode}`
    if (!isOnIt || link.macvlanMode !== modeOf(p)) return { status: 'differs', actual }
    return p.mtu !== undefined && link.mtu !== p.mtu
      ? { status: 'differs', actual: `${actual}, with the MTU ${link.mtu}` }
      : { status: 'present', actual }
  },
}

/** From another namespace, only the parent's index is known. */
function liesOn(link: Link, { parent, netns }: Params, now: State): boolean {
  return netns === undefined ? link.peer === parent : link.peerIndex === findLink(now, parent)?.index
}
