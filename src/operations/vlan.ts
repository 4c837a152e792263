import * as z from 'zod'
import { findLink, portsOf } from '../state/state.ts'
import { interfaceName, netnsPlace } from './names.ts'
import { mtuSize, vlanNumber } from './scalars.ts'
import {
  addLink,
  findMade,
  findUnnamed,
  liesOn,
  madeLink,
  makeAnew,
  PARENT_PLACES,
  type ParentParams,
  setMtu,
  wrongOf,
} from './made-link.ts'
import { idIn, inNetns, ip, missingLink, missingNetns, namedNetns, type OperationKind, resource } from './operation.ts'
import { markSchema } from './schemas.ts'
import { alteredLink, findSame } from './same-link.ts'

interface Params extends ParentParams {
  vlan: number
  mtu?: number | undefined
}

const parentNetns = ({ parentIn, netns }: Params) => (parentIn === 'host' ? undefined : netns)

/**
 * A VLAN interface: its frames travel through its parent with the VLAN's tag (IEEE 802.1Q), ip-link(8), `vlan`. Needs a
 * kernel with CONFIG_VLAN_8021Q.
 */
export const vlan: OperationKind<'vlan', Params> = {
  kind: 'vlan',
  title: 'the interface of one VLAN on another interface',
  step: () => 'bridge',
  shared: true,
  get params() {
    return z.strictObject({
      name: interfaceName.describe('name of the interface'),
      netns: netnsPlace.optional().describe('the namespace that it is in; by default the host'),
      parent: interfaceName.describe('the interface that carries the VLAN'),
      parentIn: z
        .enum(PARENT_PLACES)
        .optional()
        .describe("where that is: in the interface's own namespace, which is the default, or on the host"),
      vlan: vlanNumber.describe('number of the VLAN, from 1 to 4094'),
      mtu: mtuSize.optional().describe('the largest packet that it carries, in bytes'),
      mark: markSchema.optional(),
    })
  },
  id: (p) => idIn(p.netns, p.name),
  // To delete it, one need not know its parent.
  isSame: (p, other) => p.name === other.name && p.netns === other.netns,
  ...madeLink('vlan'),
  reads: (p) => ({ namespaces: namedNetns(p.netns) }),
  modules: '8021q',
  needs: (p) => [
    resource.link(p.parent, parentNetns(p)),
    ...(p.parentIn === 'host' ? namedNetns(p.netns).map(resource.netns) : []),
  ],
  apply: (p) =>
    addLink(p, {
      type: ['vlan', 'id', String(p.vlan)],
      on: p.parent,
      fromHost: p.parentIn === 'host',
      mtu: p.mtu,
    }),
  target: (p) => ({ ifname: p.parent, netns: parentNetns(p) }),
  undo: (p, before, now) => {
    const link = findMade(p, 'vlan', now)
    // Without a mark, its parent identifies it.
    const isOn =
      p.mark !== undefined ||
      (link !== undefined &&
        liesOn(link, p, parentNetns(p), now) &&
        findSame(before, p.parent, parentNetns(p), now) !== undefined)
    return link?.vlanId === p.vlan && isOn ? [ip(p.netns, 'link', 'delete', 'dev', link.name)] : []
  },
  mend: (p, now) => {
    const link = findLink(now, p.name, p.netns)
    return link?.vlanId === p.vlan && liesOn(link, p, parentNetns(p), now) && link.mtu !== p.mtu
      ? setMtu(link, p.mtu, p.netns)
      : makeAnew(p, vlan.apply(p), now)
  },
  altered: (p, before, now) =>
    p.mark
      ? madeLink('vlan').altered(p, before, now)
      : alteredLink(before, p.parent, parentNetns(p), now, ({ name }) => {
          const link = findLink(now, p.name, p.netns)
          return link?.vlanId === p.vlan && liesOn(link, { ...p, parent: name }, parentNetns(p), now)
        }),
  users: (p, now) => portsOf(now, p.name, p.netns),
  explain: (p) => ({
    what: `Create the interface ${p.name} of VLAN ${p.vlan} on ${p.parent}${inNetns(p.netns)}`,
    undoing: `Delete the interface ${p.name} of VLAN ${p.vlan}${inNetns(p.netns)}`,
    why: 'A VLAN is a separate network on a shared cable or bridge: a tag in each frame says which one it belongs to. A VLAN interface adds the tag, and removes it.',
  }),
  expected: (p) => `${p.name}${inNetns(p.netns)} is VLAN ${p.vlan} of ${p.parent}`,
  judge: (p, now) => {
    const blocked = missingNetns(p.netns, now)
    if (blocked) return blocked
    const place = `${p.name}${inNetns(p.netns)}`
    const unnamed = findUnnamed(p, now)
    if (unnamed) return { status: 'differs', actual: `${place} is still called ${unnamed.name}` }
    const link = findLink(now, p.name, p.netns)
    if (link?.vlanId === p.vlan && liesOn(link, p, parentNetns(p), now)) {
      const actual = `${place} is VLAN ${p.vlan} of ${p.parent}`
      return wrongOf(link, p, actual) ?? { status: 'present', actual }
    }
    // The reference plugin does it differently: with a veth whose other end is a port in the VLAN.
    if (link?.kind === 'veth' && p.mark?.owner === undefined)
      return { status: 'present', actual: `${place} is a veth, made by somebody else` }
    if (link?.kind === 'vlan')
      return { status: 'differs', actual: `${place} is VLAN ${link.vlanId} of ${link.peer ?? 'another interface'}` }
    if (link) return { status: 'differs', actual: `${place} is something else` }
    if (!findLink(now, p.parent, parentNetns(p))) return missingLink(p.parent, parentNetns(p))
    return { status: 'absent', actual: `there is no ${place}`, before: {} }
  },
}
