import * as z from 'zod'
import { addLink, madeLink, PARENT_PLACES, type ParentParams } from './made-link.ts'
import { judgeOnParent, mendOnParent, type OnParent } from './on-parent.ts'
import { interfaceName, netnsPlace } from './names.ts'
import { mtuSize, wholeNumber } from './scalars.ts'
import { inNetns, namedNetns, type OperationKind, placeId, resource } from './operation.ts'
import { markSchema } from './schemas.ts'
import { interfacesOn } from './way-out.ts'

/** How the interfaces on one parent see each other: ip-link(8), type macvlan. */
export const MACVLAN_MODES = ['bridge', 'private', 'vepa', 'passthru'] as const

interface Params extends ParentParams {
  mode?: (typeof MACVLAN_MODES)[number] | undefined
  mtu?: number | undefined
  bcqueuelen?: number | undefined
}

const parentNetns = ({ parentIn, netns }: Params) => (parentIn === 'netns' ? netns : undefined)
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
      parent: interfaceName.describe('the interface that it shares'),
      parentIn: z
        .enum(PARENT_PLACES)
        .optional()
        .describe("where that is: on the host, which is the default, or in the interface's own namespace"),
      mode: z
        .enum(MACVLAN_MODES, {
          error: `the mode of a macvlan is one of ${MACVLAN_MODES.join(', ')}, for example: bridge`,
        })
        .optional()
        .describe('how the interfaces on one parent see each other; by default bridge'),
      mtu: mtuSize.optional().describe('the largest packet that it carries, in bytes'),
      bcqueuelen: wholeNumber.optional().describe('how many broadcasts may wait for it; the kernel begins with 1000'),
      mark: markSchema.optional(),
    })
  },
  id: (p) => placeId(p.netns, p.name),
  // To delete it, one need not know its parent.
  isSame: (p, other) => p.name === other.name && p.netns === other.netns,
  ...madeLink('macvlan'),
  reads: (p) => ({ namespaces: namedNetns(p.netns) }),
  modules: 'macvlan',
  needs: (p) => [resource.link(p.parent, parentNetns(p)), ...namedNetns(p.netns).map(resource.netns)],
  apply: (p) =>
    addLink(p, {
      type: ['macvlan', 'mode', modeOf(p), ...(p.bcqueuelen === undefined ? [] : ['bcqueuelen', String(p.bcqueuelen)])],
      on: p.parent,
      fromHost: parentNetns(p) === undefined,
      mtu: p.mtu,
    }),
  mend: (p, now) => mendOnParent(p, sightOf(p), macvlan.apply(p), now),
  users: (p, now) => (p.mark ? interfacesOn(p.name, p.netns, now) : []),
  explain: (p) => ({
    undoing: `Delete the macvlan interface ${p.name}${inNetns(p.netns)}`,
    what: `Create the macvlan interface ${p.name} on ${p.parent}${inNetns(p.netns)}`,
    why: 'A macvlan interface shares the cable of its parent and has a MAC address of its own: to the network it is one more machine, and it needs no bridge. The host itself cannot reach it through the parent.',
  }),
  expected: (p) => `${p.name}${inNetns(p.netns)} is a macvlan interface on ${p.parent}, mode ${modeOf(p)}`,
  judge: (p, now) => judgeOnParent(p, sightOf(p), now),
}

function sightOf(p: Params): OnParent {
  return {
    kind: 'macvlan',
    noun: 'a macvlan',
    parentNetns: parentNetns(p),
    mode: modeOf(p),
    modeOf: (link) => link.macvlanMode,
  }
}
