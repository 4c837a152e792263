import * as z from 'zod'
import { findLink, type Link, portsOf } from '../state/state.ts'
import { flag } from './scalars.ts'
import { interfaceName, netnsPlace } from './names.ts'
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
  ifname: string
  netns?: string | undefined
  /** If false, no automatic IPv6 link-local address, which spares a plan without IPv6 its chatter. */
  linkLocal?: boolean | undefined
}

/** Brings an interface up: ip-link(8). */
export const up: OperationKind<'up', Params> = {
  kind: 'up',
  title: 'an interface is brought up',
  step: () => 'up',
  shared: true, // a bridge with other ports stays up
  get params() {
    return z.strictObject({
      ifname: interfaceName.describe('the interface'),
      netns: netnsPlace.optional().describe('the namespace that it is in; by default the host'),
      linkLocal: flag
        .optional()
        .describe(
          'whether the kernel gives it an IPv6 link-local address when it comes up; without one it sends nothing by itself',
        ),
    })
  },
  id: (p) => placeId(p.netns, p.ifname),
  reads: (p) => ({ namespaces: namedNetns(p.netns) }),
  provides: (p) => [resource.onlink(p.netns)],
  needs: (p) => [resource.link(p.ifname, p.netns)],
  apply: (p) => [
    ...(p.linkLocal === false ? [ip(p.netns, 'link', 'set', 'dev', p.ifname, 'addrgenmode', 'none')] : []),
    ip(p.netns, 'link', 'set', 'dev', p.ifname, 'up'),
  ],
  withoutIpv6: ({ ifname, netns }) => ({ ifname, netns }),
  target: ({ ifname, netns }) => ({ ifname, netns }),
  undo: (p, before, now) =>
    findSame(before, p.ifname, p.netns, now)?.up && before.up !== true
      ? [
          ip(p.netns, 'link', 'set', 'dev', p.ifname, 'down'),
          ...(p.linkLocal === false ? [ip(p.netns, 'link', 'set', 'dev', p.ifname, 'addrgenmode', 'eui64')] : []),
        ]
      : [],
  mend: (p, now) => {
    const link = findLink(now, p.ifname, p.netns)
    const own = link && ownLinkLocal(link)
    return [...up.apply(p), ...(own === undefined ? [] : [ip(p.netns, 'address', 'delete', own, 'dev', p.ifname)])]
  },
  altered: (p, before, now) => alteredLink(before, p.ifname, p.netns, now, (link) => link.up && before.up !== true),
  users: (p, now) => portsOf(now, p.ifname, p.netns),
  explain: (p) => ({
    what: `Bring ${p.ifname}${inNetns(p.netns)} up`,
    undoing: `Bring ${p.ifname}${inNetns(p.netns)} down`,
    why: 'Interfaces are born down: they carry nothing until they are brought up. Routes through an interface exist only while it is up.',
  }),
  expected: (p) =>
    `${p.ifname}${inNetns(p.netns)} is up${p.linkLocal === false ? ', without a link-local address of its own' : ''}`,
  judge: (p, now) => {
    const blocked = missingNetns(p.netns, now)
    if (blocked) return blocked
    const link = findLink(now, p.ifname, p.netns)
    if (!link) return missingLink(p.ifname, p.netns)
    const actual = `${p.ifname}${inNetns(p.netns)} is ${link.up ? 'up' : 'down'}`
    const own = link.up && p.linkLocal === false ? ownLinkLocal(link) : undefined
    if (own !== undefined) return { status: 'differs', actual: `${actual}, with the link-local address ${own}` }
    return link.up ? { status: 'present', actual } : { status: 'absent', actual, before: { up: false } }
  },
}

/**
 * The link-local address of IPv6 that an interface gets when it comes up, with its prefix, if it has it: made of its MAC
 * address (RFC 4291, appendix A). Another one may have been given to it on purpose.
 */
function ownLinkLocal({ addresses, mac }: Link): string | undefined {
  const [first = 0, ...rest] = mac.split(':').map((byte) => Number.parseInt(byte, 16))
  const bytes = [first ^ 2, ...rest.slice(0, 2), 0xff, 0xfe, ...rest.slice(2)]
  const groups = [0, 2, 4, 6].map((i) => ((bytes[i] ?? 0) * 256 + (bytes[i + 1] ?? 0)).toString(16))
  const own = `fe80::${groups.slice(groups[0] === '0' ? 1 : 0).join(':')}`
  return addresses.some(({ address }) => address === own) ? `${own}/64` : undefined
}
