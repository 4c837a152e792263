import * as z from 'zod'
import { findLink, portsOf } from '../state/state.ts'
import { interfaceName, netnsPlace } from './names.ts'
import { idIn, inNetns, ip, missingLink, missingNetns, namedNetns, type OperationKind, resource } from './operation.ts'
import { alteredLink, findSame } from './same-link.ts'

interface Params {
  ifname: string
  netns?: string | undefined
}

/** Lets the host's own stack see every frame that an interface gets, whoever it is for: ip-link(8), `promisc`. */
export const promiscuous: OperationKind<'promiscuous', Params> = {
  kind: 'promiscuous',
  title: 'an interface takes every frame, whoever it is for',
  step: () => 'bridge',
  shared: true,
  get params() {
    return z.strictObject({
      ifname: interfaceName.describe('the interface'),
      netns: netnsPlace.optional().describe('the namespace that it is in; the host without it'),
    })
  },
  id: (p) => idIn(p.netns, p.ifname),
  reads: (p) => ({ namespaces: namedNetns(p.netns) }),
  provides: () => [],
  needs: (p) => [resource.link(p.ifname, p.netns)],
  apply: (p) => [ip(p.netns, 'link', 'set', 'dev', p.ifname, 'promisc', 'on')],
  target: ({ ifname, netns }) => ({ ifname, netns }),
  undo: (p, before, now) =>
    findSame(before, p.ifname, p.netns, now)?.promiscuous === true
      ? [ip(p.netns, 'link', 'set', 'dev', p.ifname, 'promisc', 'off')]
      : [],
  mend: (p) => promiscuous.apply(p),
  altered: (p, before, now) => alteredLink(before, p.ifname, p.netns, now, (link) => link.promiscuous),
  users: (p, now) => portsOf(now, p.ifname, p.netns),
  explain: (p) => ({
    what: `Make ${p.ifname}${inNetns(p.netns)} promiscuous`,
    undoing: `Make ${p.ifname}${inNetns(p.netns)} pass on its own frames only`,
    why: 'An interface passes on what is for its own MAC address alone. A promiscuous bridge gives a container its own frames back, which it needs to reach itself by an address of the host.',
  }),
  expected: (p) => `${p.ifname}${inNetns(p.netns)} is promiscuous`,
  judge: (p, now) => {
    const blocked = missingNetns(p.netns, now)
    if (blocked) return blocked
    const place = `${p.ifname}${inNetns(p.netns)}`
    const link = findLink(now, p.ifname, p.netns)
    if (!link) return missingLink(p.ifname, p.netns)
    return link.promiscuous
      ? { status: 'present', actual: `${place} is promiscuous` }
      : { status: 'absent', actual: `${place} is not promiscuous`, before: {} }
  },
}
