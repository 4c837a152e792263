import * as z from 'zod'
import { addLink, madeLink, PARENT_PLACES, type ParentParams } from './made-link.ts'
import { interfaceName, netnsPlace } from './names.ts'
import { judgeOnParent, mendOnParent, type OnParent } from './on-parent.ts'
import { inNetns, namedNetns, type OperationKind, placeId, resource } from './operation.ts'
import { mtuSize } from './scalars.ts'
import { markSchema } from './schemas.ts'
import { interfacesOn } from './way-out.ts'

/** What an ipvlan interface looks at: ip-link(8), type ipvlan. */
export const IPVLAN_MODES = ['l2', 'l3', 'l3s'] as const

interface Params extends ParentParams {
  mode?: (typeof IPVLAN_MODES)[number] | undefined
  mtu?: number | undefined
}

const parentNetns = ({ parentIn, netns }: Params) => (parentIn === 'netns' ? netns : undefined)
const modeOf = ({ mode = 'l2' }: Params) => mode

/**
 * An interface that shares another one's cable and MAC address; addresses of IP tell them apart: ip-link(8), type ipvlan.
 * Needs a kernel with CONFIG_IPVLAN.
 */
export const ipvlan: OperationKind<'ipvlan', Params> = {
  kind: 'ipvlan',
  title: 'an ipvlan interface: it shares the cable and the MAC address of another interface',
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
        .enum(IPVLAN_MODES, { error: `the mode of an ipvlan is one of ${IPVLAN_MODES.join(', ')}, for example: l2` })
        .optional()
        .describe('whether it switches frames (l2, the default) or routes packets (l3, and l3s past the firewall)'),
      mtu: mtuSize.optional().describe('the largest packet that it carries, in bytes'),
      mark: markSchema.optional(),
    })
  },
  id: (p) => placeId(p.netns, p.name),
  // To delete it, one need not know its parent.
  isSame: (p, other) => p.name === other.name && p.netns === other.netns,
  ...madeLink('ipvlan'),
  reads: (p) => ({ namespaces: namedNetns(p.netns) }),
  modules: 'ipvlan',
  needs: (p) => [resource.link(p.parent, parentNetns(p)), ...namedNetns(p.netns).map(resource.netns)],
  apply: (p) =>
    addLink(p, {
      type: ['ipvlan', 'mode', modeOf(p)],
      on: p.parent,
      fromHost: parentNetns(p) === undefined,
      mtu: p.mtu,
      sharesMac: true,
    }),
  mend: (p, now) => mendOnParent(p, sightOf(p), ipvlan.apply(p), now),
  users: (p, now) => (p.mark ? interfacesOn(p.name, p.netns, now) : []),
  explain: (p) => ({
    undoing: `Delete the ipvlan interface ${p.name}${inNetns(p.netns)}`,
    what: `Create the ipvlan interface ${p.name} on ${p.parent}${inNetns(p.netns)}`,
    why: 'An ipvlan interface shares the cable of its parent and its MAC address, too: the network sees one machine with several addresses, as networks want it that allow one MAC address at each port. The host itself cannot reach it through the parent.',
  }),
  expected: (p) => `${p.name}${inNetns(p.netns)} is an ipvlan interface on ${p.parent}, mode ${modeOf(p)}`,
  judge: (p, now) => judgeOnParent(p, sightOf(p), now),
}

function sightOf(p: Params): OnParent {
  return {
    kind: 'ipvlan',
    noun: 'an ipvlan',
    parentNetns: parentNetns(p),
    mode: modeOf(p),
    modeOf: (link) => link.ipvlanMode,
  }
}
