import * as z from 'zod'
import { findLink, portsOf } from '../state/state.ts'
import { type LinkParams, makeAnew, setMtu, addLink, madeLink } from './made-link.ts'
import { flag, mtuSize } from './scalars.ts'
import { interfaceName, netnsPlace } from './names.ts'
import { attachmentOf, idIn, inNetns, ip, missingNetns, namedNetns, type OperationKind, resource } from './operation.ts'
import { markSchema } from './schemas.ts'
import { isWayOut, interfacesOn } from './way-out.ts'

interface Params extends LinkParams {
  mtu?: number | undefined
  /** Whether it filters VLANs: ip-link(8), `vlan_filtering`. */
  vlanFiltering?: boolean | undefined
  /** Whether to use an existing bridge with whatever settings it has, as CNI's bridge plugin does. */
  adopts?: boolean | undefined
}

/** A bridge, the kernel's virtual switch: ip-link(8), type bridge. */
export const bridge: OperationKind<'bridge', Params> = {
  kind: 'bridge',
  title: "a bridge, the kernel's virtual switch",
  step: () => 'bridge',
  shared: true,
  get params() {
    return z.strictObject({
      name: interfaceName.describe('name of the bridge'),
      netns: netnsPlace.optional().describe('the namespace that it is in; by default the host'),
      mtu: mtuSize.optional().describe('the largest packet that it carries, in bytes; the kernel starts with 1500'),
      vlanFiltering: flag.optional().describe('whether it filters VLANs'),
      adopts: flag.optional().describe('whether to use an existing bridge with whatever settings it has'),
      mark: markSchema.optional(),
    })
  },
  id: (p) => idIn(p.netns, p.name),
  ...madeLink('bridge'),
  reads: (p) => ({ namespaces: namedNetns(p.netns) }),
  modules: 'bridge',
  needs: (p) => namedNetns(p.netns).map(resource.netns),
  apply: (p) => {
    const { name, netns, mtu, vlanFiltering, adopts } = p
    const type = ['bridge', ...(vlanFiltering === true ? ['vlan_filtering', '1'] : [])]
    if (adopts === true) return addLink(p, { type, mtu })
    // Only an MTU set after creation survives when ports with another one join (net/bridge, br_mtu_auto_adjust).
    const set = mtu === undefined ? [] : [ip(netns, 'link', 'set', 'dev', name, 'mtu', String(mtu))]
    return [...addLink(p, { type }), ...set]
  },
  mend: (p, now) => {
    const link = findLink(now, p.name, p.netns)
    if (link?.kind !== 'bridge') return makeAnew(p, bridge.apply(p), now)
    const filtering = p.vlanFiltering === undefined || p.vlanFiltering === link.vlanFiltering
    return [
      ...(p.adopts === true ? [] : setMtu(link, p.mtu, p.netns)),
      ...(filtering
        ? []
        : [ip(p.netns, 'link', 'set', 'dev', p.name, 'type', 'bridge', 'vlan_filtering', p.vlanFiltering ? '1' : '0')]),
    ]
  },
  users: (p, now) => [...portsOf(now, p.name, p.netns), ...(p.mark ? interfacesOn(p.name, p.netns, now) : [])],
  refusal: (p, now, line) => {
    const [first, ...more] = portsOf(now, p.name, p.netns)
    const users = bridge.users?.(p, now) ?? []
    if (first === undefined)
      return users.length === 0
        ? undefined
        : {
            actual: `${bridge.expected(p)}, and this relies on it: ${users.join(', ')}`,
            fix: 'see it with ip -d link and ip route; whatever uses a bridge goes with it',
          }
    const container = attachmentOf(findLink(now, first, p.netns)?.alias)
    return {
      actual: `${bridge.expected(p)} and has ${more.length + 1} port${more.length === 0 ? '' : 's'}: ${[first, ...more].join(', ')}`,
      fix: container
        ? `${line('bridge', 'del', container.containerId, 'NETNS')} removes a container; the bridge goes with the last one`
        : `${line('attach', first, '--bridge', p.name, '--undo')}${isWayOut(first, p.netns, now) ? '' : `, or ${line('veth', 'delete', first)}`}`,
    }
  },
  explain: (p) => ({
    what: `Create the bridge ${p.name}${inNetns(p.netns)}`,
    undoing: `Delete the bridge ${p.name}${inNetns(p.netns)}`,
    why: 'A bridge is a virtual switch. Every container on it can reach the others, and it can have the address that they use as their gateway.',
  }),
  expected: (p) => `${p.name}${inNetns(p.netns)} is a bridge${how(p)}`,
  judge: (p, now) => {
    const blocked = missingNetns(p.netns, now)
    if (blocked) return blocked
    const place = `${p.name}${inNetns(p.netns)}`
    const link = findLink(now, p.name, p.netns)
    if (!link) return { status: 'absent', actual: `there is no interface ${place}`, before: {} }
    if (link.kind !== 'bridge')
      return {
        status: 'differs',
        actual: `${place} is ${link.kind === '' ? 'no bridge' : `a ${link.kind}, not a bridge`}`,
      }
    // Even an adopted bridge must filter: without it the ports' VLANs mean nothing.
    if (p.vlanFiltering === true && !link.vlanFiltering)
      return { status: 'differs', actual: `${place} is a bridge that does not filter VLANs` }
    if (p.adopts !== true && p.vlanFiltering === false && link.vlanFiltering)
      return { status: 'differs', actual: `${place} is a bridge that filters VLANs` }
    return p.adopts !== true && p.mtu !== undefined && link.mtu !== p.mtu
      ? { status: 'differs', actual: `${place} is a bridge with the MTU ${link.mtu}` }
      : { status: 'present', actual: `${place} is a bridge` }
  },
}

/** ` with the MTU 9000 that filters VLANs`, as far as requested. */
function how({ mtu, vlanFiltering, adopts }: Params): string {
  if (adopts === true) return ''
  return `${mtu === undefined ? '' : ` with the MTU ${mtu}`}${vlanFiltering === true ? ' that filters VLANs' : ''}`
}
