import * as z from 'zod'
import { findLink } from '../state/state.ts'
import { flag, interfaceName, wholeNumber } from './names.ts'
import { type Command, type OperationKind, missingLink, resource } from './operation.ts'

interface Params {
  ifname: string
  /** The VLAN of frames without a tag; the kernel's own 1 is taken off unless `keepDefault`. */
  untagged?: number | undefined
  /** VLANs that pass with their tags: first and last of each range. */
  tagged: { first: number; last: number }[]
  keepDefault?: boolean | undefined
  /** Of the bridge itself, so that its own address is in that VLAN. */
  self?: boolean | undefined
}

const vlanId = wholeNumber.pipe(z.int().min(1).max(4094))

/** The VLANs that a bridge's port belongs to: bridge(8), vlan. The kernel needs CONFIG_BRIDGE_VLAN_FILTERING. */
export const portVlans: OperationKind<'port-vlans', Params> = {
  kind: 'port-vlans',
  get params() {
    return z.strictObject({
      ifname: interfaceName,
      untagged: vlanId.optional(),
      tagged: z.array(z.strictObject({ first: vlanId, last: vlanId })),
      keepDefault: flag.optional(),
      self: flag.optional(),
    })
  },
  id: (p) => p.ifname,
  provides: () => [],
  needs: (p) => [resource.link(p.ifname)],
  apply: (p) => {
    const vlan = (act: 'add' | 'del', vid: string, ...rest: string[]): Command => ({
      tool: 'bridge',
      argv: ['vlan', act, 'dev', p.ifname, 'vid', vid, ...rest, ...(p.self === true ? ['self'] : [])],
    })
    return [
      ...(p.keepDefault === true || p.self === true ? [] : [vlan('del', '1')]),
      ...(p.untagged === undefined ? [] : [vlan('add', String(p.untagged), 'pvid', 'untagged')]),
      ...p.tagged.map(({ first, last }) => vlan('add', first === last ? String(first) : `${first}-${last}`)),
    ]
  },
  // Those of a container's port go with it.
  undo: (p, _before, now) =>
    p.self === true && p.untagged !== undefined && findLink(now, p.ifname)
      ? [{ tool: 'bridge', argv: ['vlan', 'del', 'dev', p.ifname, 'vid', String(p.untagged), 'self'] }]
      : [],
  explain: (p) => ({
    what: `Put ${p.ifname} into ${words(p)}`,
    why: 'A bridge that filters VLANs carries frames only between ports of the same VLAN, as if each were a switch of its own.',
  }),
  expected: (p) => `${p.ifname} is in ${words(p)}`,
  judge: (p, now) => {
    const link = findLink(now, p.ifname)
    if (!link) return missingLink(p.ifname, undefined)
    const wanted = [...(p.untagged === undefined ? [] : [{ first: p.untagged, last: p.untagged }]), ...p.tagged]
    const holds = wanted.every(({ first, last }) =>
      link.vlans.some((range) => range.first <= first && last <= range.last),
    )
    const actual = `${p.ifname} is in ${link.vlans.length === 0 ? 'no VLAN' : link.vlans.map(range).join(', ')}`
    return holds ? { status: 'present', actual } : { status: 'absent', actual, before: {} }
  },
}

const range = ({ first, last }: { first: number; last: number }) =>
  first === last ? `VLAN ${first}` : `VLANs ${first} to ${last}`

function words({ untagged, tagged }: Params): string {
  const own = untagged === undefined ? [] : [`VLAN ${untagged} without a tag`]
  return [...own, ...tagged.map((one) => `${range(one)} with a tag`)].join(', ')
}
