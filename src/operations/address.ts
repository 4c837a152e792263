import * as z from 'zod'
import { type Address, findLink, type Link, portsOf } from '../state/state.ts'
import { flag } from './scalars.ts'
import { interfaceAddress } from './ip.ts'
import { interfaceName, netnsPlace } from './names.ts'
import { addressOf, isIpv6, readCidr } from '../ip-arithmetic.ts'
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
  /** IPv6: looks for duplicates first, which takes 2 s (RFC 4862, DAD). */
  detectDuplicates?: boolean | undefined
  /** If false, the kernel adds no route to the address's subnet. */
  prefixRoute?: boolean | undefined
  /** IPv4: sets the broadcast address of the subnet, too, for programs that ask the interface for it. */
  broadcast?: boolean | undefined
}

/** An address with prefix on an interface: ip-address(8). IPv6 skips duplicate detection unless asked for it. */
export const address: OperationKind<'address', Params> = {
  kind: 'address',
  title: 'an interface gets an address',
  step: () => 'ip',
  shared: true,
  get params() {
    return z.strictObject({
      address: interfaceAddress.describe('the address with its prefix, for example: 10.22.0.2/16'),
      ifname: interfaceName.describe('the interface that gets it'),
      netns: netnsPlace.optional().describe('the namespace that the interface is in; by default the host'),
      detectDuplicates: flag
        .optional()
        .describe('IPv6: whether to check first that nobody else has it, which takes 2 s (RFC 4862)'),
      prefixRoute: flag
        .optional()
        .describe("whether the kernel adds a route to the address's subnet; by default it does"),
      broadcast: flag.optional().describe("IPv4: whether the interface is to know the subnet's broadcast address"),
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
      ...(p.broadcast === true ? broadcastOf(p.address) : []),
    ),
  ],
  target: ({ ifname, netns }) => ({ ifname, netns }),
  undo: (p, before, now) => {
    const link = findSame(before, p.ifname, p.netns, now)
    return link && has(link, p.address) ? [remove(p, p.address)] : []
  },
  mend: (p, now) => [
    ...sameAddress(findLink(now, p.ifname, p.netns), p).map(({ address: one, prefix }) =>
      remove(p, `${one}/${prefix}`),
    ),
    ...address.apply(p),
  ],
  altered: (p, before, now) => alteredLink(before, p.ifname, p.netns, now, (link) => has(link, p.address)),
  users: (p, now) => portsOf(now, p.ifname, p.netns),
  explain: (p) => ({
    undoing: `Take ${p.address} from ${p.ifname}${inNetns(p.netns)}`,
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
    const [there] = sameAddress(link, p)
    if (!there) return { status: 'absent', actual, before: {} }
    if (!has(link, p.address)) return { status: 'differs', actual }
    if (p.prefixRoute !== undefined && p.prefixRoute !== there.prefixRoute)
      return { status: 'differs', actual: `${actual}, ${there.prefixRoute ? 'with' : 'without'} a route to its subnet` }
    return { status: 'present', actual }
  },
}

/** Two addresses, or one, have no broadcast address (RFC 3021), nor has IPv6. */
function broadcastOf(withPrefix: string): string[] {
  const cidr = readCidr(withPrefix)
  return !cidr || cidr.isSix || cidr.prefix > 30 ? [] : ['broadcast', addressOf(cidr.last, false)]
}

const remove = ({ ifname, netns }: Params, cidr: string) => ip(netns, 'address', 'delete', cidr, 'dev', ifname)

/** The same address, whatever its prefix. */
function sameAddress(link: Link | undefined, p: Params): Address[] {
  return link?.addresses.filter((a) => p.address.startsWith(`${a.address}/`)) ?? []
}

function has(link: Link, cidr: string): boolean {
  return link.addresses.some((a) => `${a.address}/${a.prefix}` === cidr)
}
