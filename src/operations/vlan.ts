import * as z from 'zod'
import { findLink, portsOf } from '../state/state.ts'
import { interfaceName, netnsPlace } from './names.ts'
import { vlanNumber } from './scalars.ts'
import { findMade, type LinkParams, makeAnew, addLink, madeLink } from './made-link.ts'
import { idIn, inNetns, ip, missingLink, missingNetns, namedNetns, type OperationKind, resource } from './operation.ts'
import { markSchema } from './schemas.ts'
import { alteredLink, findSame } from './same-link.ts'

interface Params extends LinkParams {
  /** The interface that carries the VLAN. */
  parent: string
  vlan: number
}

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
      netns: netnsPlace.optional().describe('the namespace that it and its parent are in; by default the host'),
      parent: interfaceName.describe('the interface that carries the VLAN'),
      vlan: vlanNumber.describe('number of the VLAN, from 1 to 4094'),
      mark: markSchema.optional(),
    })
  },
  id: (p) => idIn(p.netns, p.name),
  // To delete it, one need not know its parent.
  isSame: (p, other) => p.name === other.name && p.netns === other.netns,
  ...madeLink('vlan'),
  reads: (p) => ({ namespaces: namedNetns(p.netns) }),
  modules: '8021q',
  needs: (p) => [resource.link(p.parent, p.netns)],
  apply: (p) => addLink(p, { type: ['vlan', 'id', String(p.vlan)], on: p.parent }),
  target: ({ parent, netns }) => ({ ifname: parent, netns }),
  undo: (p, before, now) => {
    const link = findMade(p, 'vlan', now)
    // Without a mark, its parent identifies it.
    const isOn =
      p.mark !== undefined || (link?.peer === p.parent && findSame(before, p.parent, p.netns, now) !== undefined)
    return link?.vlanId === p.vlan && isOn ? [ip(p.netns, 'link', 'delete', 'dev', p.name)] : []
  },
  mend: (p, now) => makeAnew(p, vlan.apply(p), now),
  altered: (p, before, now) =>
    p.mark
      ? madeLink('vlan').altered(p, before, now)
      : alteredLink(before, p.parent, p.netns, now, ({ name }) => {
          const link = findLink(now, p.name, p.netns)
          return link?.vlanId === p.vlan && link.peer === name
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
    const link = findLink(now, p.name, p.netns)
    if (link?.vlanId === p.vlan && link.peer === p.parent)
      return { status: 'present', actual: `${place} is VLAN ${p.vlan} of ${p.parent}` }
    // The reference plugin does it differently: with a veth whose other end is a port in the VLAN.
    if (link?.kind === 'veth') return { status: 'present', actual: `${place} is a veth, made by somebody else` }
    if (link?.kind === 'vlan')
      return { status: 'differs', actual: `${place} is VLAN ${link.vlanId} of ${link.peer ?? 'another interface'}` }
    if (link) return { status: 'differs', actual: `${place} is something else` }
    if (!findLink(now, p.parent, p.netns)) return missingLink(p.parent, p.netns)
    return { status: 'absent', actual: `there is no ${place}`, before: {} }
  },
}
