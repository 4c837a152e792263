import * as z from 'zod'
import { findLink, HOST, isInVlan } from '../state/state.ts'
import { flag, vlanNumber } from './scalars.ts'
import { interfaceName } from './names.ts'
import { type Command, type OperationKind, missingLink, resource } from './operation.ts'
import { findSame } from './same-link.ts'

interface Params {
  ifname: string
  /** The VLAN of frames without a tag; the kernel's own 1 is taken off unless `keepDefault`. */
  untagged?: number | undefined
  /** VLANs that pass with their tags: first and last of each range. */
  tagged: { first: number; last: number }[]
  keepDefault?: boolean | undefined
  /** Of the bridge itself, so that the host is in them, too. */
  self?: boolean | undefined
}

/** The VLANs that a bridge's port belongs to: bridge(8), vlan. The kernel needs CONFIG_BRIDGE_VLAN_FILTERING. */
export const portVlans: OperationKind<'port-vlans', Params> = {
  kind: 'port-vlans',
  step: () => 'attach-bridge',
  shared: true,
  get params() {
    return z.strictObject({
      ifname: interfaceName,
      untagged: vlanNumber.optional(),
      tagged: z.array(z.strictObject({ first: vlanNumber, last: vlanNumber })),
      keepDefault: flag.optional(),
      self: flag.optional(),
    })
  },
  id: (p) => p.ifname,
  reads: () => ({ namespaces: [], vlans: true }),
  provides: () => [],
  needs: (p) => [resource.link(p.ifname)],
  apply: (p) => [
    ...(p.keepDefault === true || p.self === true ? [] : [vlanCommand(p, 'del', '1')]),
    ...(p.untagged === undefined ? [] : [vlanCommand(p, 'add', String(p.untagged), 'pvid', 'untagged')]),
    ...p.tagged.map((range) => vlanCommand(p, 'add', shown(range))),
  ],
  // Those of a container's port go with it.
  target: ({ ifname }) => ({ ifname }),
  undo: (p, before, now) => {
    const link = findSame(before, p.ifname, undefined, now)
    const there = p.self === true && link ? p.tagged.filter(({ first }) => isInVlan(link, first)) : []
    return there.map((range) => vlanCommand(p, 'del', shown(range)))
  },
  users: (p, now) =>
    p.self === true
      ? (now.get(HOST)?.links ?? [])
          .filter((port) => port.master === p.ifname && p.tagged.some(({ first }) => isInVlan(port, first)))
          .map(({ name }) => name)
      : [],
  explain: (p) => ({
    what: `Put ${p.ifname} into ${words(p)}`,
    why: 'A bridge that filters VLANs carries frames only between ports of the same VLAN, as if each were a switch of its own.',
  }),
  expected: (p) => `${p.ifname} is in ${words(p)}`,
  judge: (p, now) => {
    const link = findLink(now, p.ifname)
    if (!link) return missingLink(p.ifname, undefined)
    const holds =
      p.tagged.every(({ first, last }) => link.vlans.some((range) => range.first <= first && last <= range.last)) &&
      (p.untagged === undefined || link.vlans.some(({ first, isUntagged }) => isUntagged && first === p.untagged))
    // Of the bridge itself: what comes without a tag never reaches the interface of the VLAN.
    const isBare = p.self === true && link.vlans.some((one) => one.isUntagged && covers(p.tagged, one.first))
    const found = link.vlans.map((one) => `${range(one)}${one.isUntagged ? ' without a tag' : ''}`)
    const actual = `${p.ifname} is in ${found.length === 0 ? 'no VLAN' : found.join(', ')}`
    if (isBare) return { status: 'differs', actual }
    return holds ? { status: 'present', actual } : { status: 'absent', actual, before: {} }
  },
}

function covers(ranges: Params['tagged'], vlan: number): boolean {
  return ranges.some(({ first, last }) => first <= vlan && vlan <= last)
}

function vlanCommand({ ifname, self }: Params, act: 'add' | 'del', vid: string, ...rest: string[]): Command {
  return { tool: 'bridge', argv: ['vlan', act, 'dev', ifname, 'vid', vid, ...rest, ...(self === true ? ['self'] : [])] }
}

/** A range as bridge(8) takes it. */
function shown({ first, last }: { first: number; last: number }): string {
  return first === last ? String(first) : `${first}-${last}`
}

const range = ({ first, last }: { first: number; last: number }) =>
  first === last ? `VLAN ${first}` : `VLANs ${first} to ${last}`

function words({ untagged, tagged }: Params): string {
  const own = untagged === undefined ? [] : [`VLAN ${untagged} without a tag`]
  return [...own, ...tagged.map((one) => `${range(one)} with a tag`)].join(', ')
}
