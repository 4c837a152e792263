import * as z from 'zod'
import { findLink, portsOf } from '../state/state.ts'
import { alteredMade, findMade, type LinkParams, marksOf, withMac } from './made-link.ts'
import { flag, interfaceName, wholeNumber } from './names.ts'
import { type OperationKind, ip, MARK_ALIAS, markSchema, resource, attachmentOf } from './operation.ts'
import { lyingOn } from './lying-on.ts'

interface Params extends LinkParams {
  mtu?: number | undefined
  /** It keeps VLANs apart: ip-link(8), `vlan_filtering`. */
  vlanFiltering?: boolean | undefined
}

/** A bridge, the kernel's virtual switch: ip-link(8), type bridge. */
export const bridge: OperationKind<'bridge', Params> = {
  kind: 'bridge',
  step: () => 'bridge',
  shared: true,
  get params() {
    return z.strictObject({
      name: interfaceName,
      mtu: wholeNumber.optional(),
      vlanFiltering: flag.optional(),
      mark: markSchema.optional(),
    })
  },
  id: (p) => p.name,
  reads: () => ({ namespaces: [] }),
  modules: 'bridge',
  mark: withMac,
  provides: (p) => [resource.link(p.name)],
  needs: () => [],
  apply: ({ name, mtu, vlanFiltering, mark }) => [
    ip(
      undefined,
      'link',
      'add',
      'name',
      name,
      ...(mark ? ['address', mark.mac] : []),
      ...(mtu === undefined ? [] : ['mtu', String(mtu)]),
      'type',
      'bridge',
      ...(vlanFiltering === true ? ['vlan_filtering', '1'] : []),
    ),
    ...(mark ? [ip(undefined, 'link', 'set', 'dev', name, 'alias', MARK_ALIAS)] : []),
  ],
  undo: (p, _before, now) => (findMade(p, 'bridge', now) ? [ip(undefined, 'link', 'delete', 'dev', p.name)] : []),
  marks: marksOf,
  altered: (p, _before, now) => alteredMade(p, 'bridge', now),
  users: (p, now) => [...portsOf(now, p.name), ...(p.mark ? lyingOn(p.name, now) : [])],
  refusal: (p, now, line) => {
    const [first, ...more] = portsOf(now, p.name)
    const users = bridge.users?.(p, now) ?? []
    if (first === undefined)
      return users.length === 0
        ? undefined
        : {
            actual: `${bridge.expected(p)}, and this relies on it: ${users.join(', ')}`,
            fix: 'see it with ip -d link and ip route; what lies on a bridge goes with it',
          }
    const container = attachmentOf(findLink(now, first)?.alias)
    return {
      actual: `${bridge.expected(p)} and has ${more.length + 1} port${more.length === 0 ? '' : 's'}: ${[first, ...more].join(', ')}`,
      fix: container
        ? `${line('bridge', 'del', container.containerId, 'NETNS')} takes a container off; with the last one the bridge goes`
        : `${line('attach', first, '--bridge', p.name, '--undo')}, or ${line('veth', 'delete', first)}`,
    }
  },
  explain: (p) => ({
    what: `Create the bridge ${p.name}`,
    why: 'A bridge is a virtual switch. Every container on it can reach the others, and it can carry the address that they use as their gateway.',
  }),
  expected: (p) => `${p.name} is a bridge`,
  judge: (p, now) => {
    const link = findLink(now, p.name)
    if (!link) return { status: 'absent', actual: `there is no interface ${p.name}`, before: {} }
    if (link.kind === 'bridge' && p.vlanFiltering === true && !link.vlanFiltering)
      return { status: 'differs', actual: `${p.name} is a bridge that does not filter VLANs` }
    if (link.kind === 'bridge') return { status: 'present', actual: `${p.name} is a bridge` }
    return {
      status: 'differs',
      actual: `${p.name} is ${link.kind === '' ? 'no bridge' : `a ${link.kind}, not a bridge`}`,
    }
  },
}
