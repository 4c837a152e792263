import * as z from 'zod'
import { findLink, type Link, portsOf } from '../state/state.ts'
import { flag, interfaceAddress, interfaceName, isIpv6, netnsPlace } from './names.ts'
import {
  type OperationKind,
  inNetns,
  ip,
  missingLink,
  missingNetns,
  placeId,
  resource,
  namedNetns,
} from './operation.ts'
import { alteredLink, findSame } from './same-link.ts'

interface Params {
  address: string
  ifname: string
  netns?: string | undefined
  /** IPv6: looks for duplicates first, which takes 2 s (RFC 4862). */
  detectDuplicates?: boolean | undefined
  /** false: the kernel makes no route to the address's subnet. */
  prefixRoute?: boolean | undefined
}

/** An address with prefix on an interface: ip-address(8). IPv6 addresses skip duplicate detection unless it is asked for. */
export const address: OperationKind<'address', Params> = {
  kind: 'address',
  step: () => 'ip',
  shared: true,
  get params() {
    return z.strictObject({
      address: interfaceAddress,
      ifname: interfaceName,
      netns: netnsPlace.optional(),
      detectDuplicates: flag.optional(),
      prefixRoute: flag.optional(),
    })
  },
  id: (p) => `${placeId(p.netns, p.ifname)}.${p.address.split('/')[0] ?? ''}`,
  reads: (p) => ({ namespaces: namedNetns(p.netns) }),
  addresses: ({ address: cidr, ifname, netns }) => [{ address: cidr, ifname, netns }],
  provides: (p) => [resource.onlink(p.netns)],
  needs: (p) => [resource.link(p.ifname, p.netns)],
  apply: (p) => [
    ip(
      p.netns,
      'address',
      'add',
      p.address,
      'dev',
      p.ifname,
      ...(isIpv6(p.address) && p.detectDuplicates !== true ? ['nodad'] : []),
      ...(p.prefixRoute === false ? ['noprefixroute'] : []),
    ),
  ],
  target: ({ ifname, netns }) => ({ ifname, netns }),
  undo: (p, before, now) => {
    const link = findSame(before, p.ifname, p.netns, now)
    return link && has(link, p.address) ? [ip(p.netns, 'address', 'delete', p.address, 'dev', p.ifname)] : []
  },
  altered: (p, before, now) => alteredLink(before, p.ifname, p.netns, now, (link) => has(link, p.address)),
  users: (p, now) => portsOf(now, p.ifname, p.netns),
  explain: (p) => ({
    what: `Give ${p.ifname}${inNetns(p.netns)} the address ${p.address}`,
    why:
      p.prefixRoute === false
        ? 'The address brings no route to its subnet, because the rest of it is not on this cable.'
        : 'With the address, and once the interface is up, the kernel also has a route to its whole subnet: everything in it is then expected on this cable.',
  }),
  expected: (p) => `${p.ifname}${inNetns(p.netns)} has ${p.address}`,
  judge: (p, now) => {
    const blocked = missingNetns(p.netns, now)
    if (blocked) return blocked
    const link = findLink(now, p.ifname, p.netns)
    if (!link) return missingLink(p.ifname, p.netns)
    const own = link.addresses.filter((a) => a.scope !== 'link')
    const text = own.map((a) => `${a.address}/${a.prefix}`).join(', ')
    const actual = `${p.ifname}${inNetns(p.netns)} has ${text === '' ? 'no address' : text}`
    if (has(link, p.address)) return { status: 'present', actual }
    const sameHost = own.some((a) => p.address.startsWith(`${a.address}/`))
    return sameHost ? { status: 'differs', actual } : { status: 'absent', actual, before: {} }
  },
}

function has(link: Link, cidr: string): boolean {
  return link.addresses.some((a) => `${a.address}/${a.prefix}` === cidr)
}
