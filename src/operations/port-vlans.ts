import * as z from 'zod'
import { findLink, HOST, isInVlan } from '../state/state.ts'
import { flag, vlanNumber } from './scalars.ts'
import { interfaceName, netnsPlace } from './names.ts'
import {
  type Command,
  idIn,
  inNetns,
  missingLink,
  missingNetns,
  namedNetns,
  type OperationKind,
  resource,
} from './operation.ts'
import { findSame } from './same-link.ts'

interface Params {
  ifname: string
  netns?: string | undefined
  /** The VLAN of untagged frames; the kernel's default, 1, is removed unless `keepDefault`. */
  untagged?: number | undefined
  /** The VLANs whose frames keep their tags, as ranges. */
  tagged: { first: number; last: number }[]
  keepDefault?: boolean | undefined
  /** The VLANs are those of the bridge itself, so that the host is in them, too. */
  self?: boolean | undefined
}

/** The VLANs that a bridge port belongs to: bridge(8), vlan. Needs a kernel with CONFIG_BRIDGE_VLAN_FILTERING. */
export const portVlans: OperationKind<'port-vlans', Params> = {
  kind: 'port-vlans',
  title: 'the VLANs of a bridge port',
  step: () => 'attach-bridge',
  shared: true,
  get params() {
    return z.strictObject({
      ifname: interfaceName.describe('the port, or with self the bridge'),
      netns: netnsPlace.optional().describe('the namespace that it is in; by default the host'),
      untagged: vlanNumber.optional().describe('the VLAN of frames without a tag'),
      tagged: z
        .array(
          z.strictObject({
            first: vlanNumber.describe('the first VLAN of a range'),
            last: vlanNumber.describe('the last one'),
          }),
        )
        .describe('the VLANs whose frames pass with their tags'),
      keepDefault: flag.optional().describe('whether it stays in VLAN 1, into which the kernel puts every port'),
      self: flag
        .optional()
        .describe('whether these are the VLANs of the bridge itself, so that the host is in them too'),
    })
  },
  id: (p) => idIn(p.netns, p.ifname),
  reads: (p) => ({ namespaces: namedNetns(p.netns), netns: p.netns, vlans: true }),
  modules: 'bridge',
  provides: () => [],
  needs: (p) => [resource.link(p.ifname, p.netns)],
  apply: (p) => [
    ...(keepsDefault(p) ? [] : [vlanCommand(p, 'del', String(DEFAULT))]),
    ...(p.untagged === undefined ? [] : [vlanCommand(p, 'add', String(p.untagged), 'pvid', 'untagged')]),
    ...p.tagged.map((range) => vlanCommand(p, 'add', shown(range))),
  ],
  // A container's port takes its VLANs with it.
  target: ({ ifname, netns }) => ({ ifname, netns }),
  undo: (p, before, now) => {
    const link = findSame(before, p.ifname, p.netns, now)
    const there = p.self === true && link ? p.tagged.filter(({ first }) => isInVlan(link, first)) : []
    return there.map((range) => vlanCommand(p, 'del', shown(range)))
  },
  mend: (p, now) => {
    const bare =
      findLink(now, p.ifname, p.netns)?.vlans.filter((one) => one.isUntagged && covers(p.tagged, one.first)) ?? []
    return [...bare.map(({ first }) => vlanCommand(p, 'del', String(first))), ...portVlans.apply(p)]
  },
  users: (p, now) =>
    p.self === true
      ? (now.get(p.netns ?? HOST)?.links ?? [])
          .filter((port) => port.master === p.ifname && p.tagged.some(({ first }) => isInVlan(port, first)))
          .map(({ name }) => name)
      : [],
  explain: (p) => ({
    what: `Put ${p.ifname}${inNetns(p.netns)} into ${words(p)}`,
    undoing: `Take ${p.ifname}${inNetns(p.netns)} out of ${words(p)}`,
    why: 'A bridge that filters VLANs carries frames only between ports of the same VLAN, as if each VLAN had its own switch.',
  }),
  expected: (p) => `${p.ifname}${inNetns(p.netns)} is in ${words(p)}`,
  judge: (p, now) => {
    const blocked = missingNetns(p.netns, now)
    if (blocked) return blocked
    const link = findLink(now, p.ifname, p.netns)
    if (!link) return missingLink(p.ifname, p.netns)
    const holds =
      p.tagged.every(({ first, last }) => link.vlans.some((range) => range.first <= first && last <= range.last)) &&
      (p.untagged === undefined || link.vlans.some(({ first, isUntagged }) => isUntagged && first === p.untagged)) &&
      (keepsDefault(p) || !isInVlan(link, DEFAULT))
    // On the bridge itself, untagged frames would never reach the VLAN interface.
    const isBare = p.self === true && link.vlans.some((one) => one.isUntagged && covers(p.tagged, one.first))
    const found = link.vlans.map((one) => `${range(one)}${one.isUntagged ? ' without a tag' : ''}`)
    const actual = `${p.ifname}${inNetns(p.netns)} is in ${found.length === 0 ? 'no VLAN' : found.join(', ')}`
    if (isBare) return { status: 'differs', actual }
    return holds ? { status: 'present', actual } : { status: 'absent', actual, before: {} }
  },
}

/** The VLAN into which the kernel puts every port: ip-link(8), `vlan_default_pvid`. */
const DEFAULT = 1

function keepsDefault({ keepDefault, self, untagged, tagged }: Params): boolean {
  return keepDefault === true || self === true || untagged === DEFAULT || covers(tagged, DEFAULT)
}

function covers(ranges: Params['tagged'], vlan: number): boolean {
  return ranges.some(({ first, last }) => first <= vlan && vlan <= last)
}

function vlanCommand({ ifname, netns, self }: Params, act: 'add' | 'del', vid: string, ...rest: string[]): Command {
  const argv = ['vlan', act, 'dev', ifname, 'vid', vid, ...rest, ...(self === true ? ['self'] : [])]
  return { tool: 'bridge', argv, netns }
}

/** A range in the syntax of bridge(8). */
function shown({ first, last }: { first: number; last: number }): string {
  return first === last ? String(first) : `${first}-${last}`
}

const range = ({ first, last }: { first: number; last: number }) =>
  first === last ? `VLAN ${first}` : `VLANs ${first} to ${last}`

function words({ untagged, tagged }: Params): string {
  const own = untagged === undefined ? [] : [`VLAN ${untagged} without a tag`]
  return [...own, ...tagged.map((one) => `${range(one)} with a tag`)].join(', ')
}
