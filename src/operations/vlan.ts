import * as z from 'zod'
import { findLink, portsOf } from '../state/state.ts'
import { interfaceName } from './names.ts'
import { vlanNumber } from './scalars.ts'
import { alteredMade, findMade, type LinkParams, marksOf, withMac } from './made-link.ts'
import { ip, MARK_ALIAS, markSchema, missingLink, type OperationKind, resource } from './operation.ts'
import { alteredLink, findSame } from './same-link.ts'

interface Params extends LinkParams {
  /** The interface that it lies on. */
  parent: string
  vlan: number
}

/**
 * The interface of one VLAN: what goes through it is on its parent with the VLAN's tag (IEEE 802.1Q), ip-link(8), `vlan`.
 * The kernel needs CONFIG_VLAN_8021Q.
 */
export const vlan: OperationKind<'vlan', Params> = {
  kind: 'vlan',
  step: () => 'bridge',
  shared: true,
  get params() {
    return z.strictObject({ name: interfaceName, parent: interfaceName, vlan: vlanNumber, mark: markSchema.optional() })
  },
  id: (p) => p.name,
  reads: () => ({ namespaces: [] }),
  modules: '8021q',
  mark: withMac,
  marks: marksOf,
  provides: (p) => [resource.link(p.name)],
  needs: (p) => [resource.link(p.parent)],
  apply: ({ name, parent, vlan: id, mark }) => [
    ip(
      undefined,
      'link',
      'add',
      'link',
      parent,
      'name',
      name,
      ...(mark ? ['address', mark.mac] : []),
      'type',
      'vlan',
      'id',
      String(id),
    ),
    ...(mark ? [ip(undefined, 'link', 'set', 'dev', name, 'alias', MARK_ALIAS)] : []),
  ],
  target: ({ parent }) => ({ ifname: parent }),
  undo: (p, before, now) => {
    const link = findMade(p, 'vlan', now)
    // Without a mark, what it lies on tells.
    const isOn =
      p.mark !== undefined || (link?.peer === p.parent && findSame(before, p.parent, undefined, now) !== undefined)
    return link?.vlanId === p.vlan && isOn ? [ip(undefined, 'link', 'delete', 'dev', p.name)] : []
  },
  altered: (p, before, now) =>
    p.mark
      ? alteredMade(p, 'vlan', now)
      : alteredLink(before, p.parent, undefined, now, ({ name }) => {
          const link = findLink(now, p.name)
          return link?.vlanId === p.vlan && link.peer === name
        }),
  users: (p, now) => portsOf(now, p.name),
  explain: (p) => ({
    what: `Create the interface ${p.name} of VLAN ${p.vlan} on ${p.parent}`,
    why: 'A VLAN is a network of its own on a cable or bridge that several share: a tag in each frame says whose it is. An interface of a VLAN adds the tag, and takes it off.',
  }),
  expected: (p) => `${p.name} is VLAN ${p.vlan} of ${p.parent}`,
  judge: (p, now) => {
    const link = findLink(now, p.name)
    if (link?.vlanId === p.vlan && link.peer === p.parent)
      return { status: 'present', actual: `${p.name} is VLAN ${p.vlan} of ${p.parent}` }
    // The reference plugin's way to the same: a cable, the other end of which is a port in the VLAN.
    if (link?.kind === 'veth') return { status: 'present', actual: `${p.name} is a veth, made by somebody else` }
    if (link) return { status: 'differs', actual: `${p.name} is something else` }
    if (!findLink(now, p.parent)) return missingLink(p.parent, undefined)
    return { status: 'absent', actual: `there is no ${p.name}`, before: {} }
  },
}
