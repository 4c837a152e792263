import * as z from 'zod'
import { findLink, HOST, portsOf } from '../state/state.ts'
import { flag, interfaceName, wholeNumber } from './names.ts'
import { type OperationKind, ip, MARK_ALIAS, markSchema, resource } from './operation.ts'
import { isOurs } from './same-link.ts'
import { lyingOn, relyingOn } from './way-out.ts'

interface Params {
  name: string
  mtu?: number | undefined
  /** It keeps VLANs apart: ip-link(8), `vlan_filtering`. */
  vlanFiltering?: boolean | undefined
  mark?: z.infer<typeof markSchema> | undefined
}

/** A bridge, the kernel's virtual switch: ip-link(8), type bridge. */
export const bridge: OperationKind<'bridge', Params> = {
  kind: 'bridge',
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
  undo: (p, _before, now) => {
    const link = findLink(now, p.name)
    return link?.kind === 'bridge' && (!p.mark || link.mac === p.mark.mac)
      ? [ip(undefined, 'link', 'delete', 'dev', p.name)]
      : []
  },
  marks: ({ name, mark }) => (mark ? [{ ifname: name, mac: mark.mac }] : []),
  altered: (p, _before, now) => {
    if (!p.mark) return undefined
    const bridges = (now.get(HOST)?.links ?? []).filter(({ kind }) => kind === 'bridge')
    const named = bridges.find(({ name }) => name === p.name)
    if (named?.mac === p.mark.mac) return undefined
    if (named && isOurs(named)) return `${p.name} has another MAC address now`
    const renamed = bridges.find(({ mac }) => mac === p.mark?.mac)
    return renamed && `${p.name} is called ${renamed.name} now`
  },
  users: (p, now) => [
    ...portsOf(now, p.name),
    ...(p.mark ? [...lyingOn(p.name, now), ...relyingOn(p.name, undefined, now)] : []),
  ],
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
