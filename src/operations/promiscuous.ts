import * as z from 'zod'
import { findLink, portsOf } from '../state/state.ts'
import { interfaceName, netnsPlace } from './names.ts'
import { idIn, inNetns, ip, missingLink, missingNetns, namedNetns, type OperationKind, resource } from './operation.ts'
import { alteredLink, findSame } from './same-link.ts'

interface Params {
  ifname: string
  netns?: string | undefined
}

/** Makes an interface accept every frame, whoever it is addressed to: ip-link(8), `promisc`. */
export const promiscuous: OperationKind<'promiscuous', Params> = {
  kind: 'promiscuous',
  title: 'an interface accepts every frame, not only its own',
  step: () => 'bridge',
  shared: true,
  get params() {
    return z.strictObject({
      ifname: interfaceName.describe('the interface'),
      netns: netnsPlace.optional().describe('the namespace that it is in; by default the host'),
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
    undoing: `Make ${p.ifname}${inNetns(p.netns)} accept only its own frames`,
    why: 'An interface normally accepts only frames for its own MAC address. A promiscuous bridge sends a container its own frames back, which it needs to reach itself by an address of the host.',
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
