import * as z from 'zod'
import { findLink, portsOf } from '../state/state.ts'
import { interfaceName } from './names.ts'
import { type OperationKind, ip, missingLink, resource } from './operation.ts'
import { alteredLink, findSame } from './same-link.ts'

interface Params {
  ifname: string
}

/** Lets the host's own stack see every frame that an interface gets, whoever it is for: ip-link(8), `promisc`. */
export const promiscuous: OperationKind<'promiscuous', Params> = {
  kind: 'promiscuous',
  step: () => 'bridge',
  shared: true,
  get params() {
    return z.strictObject({ ifname: interfaceName })
  },
  id: (p) => p.ifname,
  reads: () => ({ namespaces: [] }),
  provides: () => [],
  needs: (p) => [resource.link(p.ifname)],
  apply: (p) => [ip(undefined, 'link', 'set', 'dev', p.ifname, 'promisc', 'on')],
  target: ({ ifname }) => ({ ifname }),
  undo: (p, before, now) =>
    findSame(before, p.ifname, undefined, now)?.promiscuous === true
      ? [ip(undefined, 'link', 'set', 'dev', p.ifname, 'promisc', 'off')]
      : [],
  altered: (p, before, now) => alteredLink(before, p.ifname, undefined, now, (link) => link.promiscuous),
  users: (p, now) => portsOf(now, p.ifname),
  explain: (p) => ({
    what: `Make ${p.ifname} promiscuous`,
    why: 'An interface passes on what is for its own MAC address alone. A promiscuous bridge gives a container its own frames back, which it needs to reach itself by an address of the host.',
  }),
  expected: (p) => `${p.ifname} is promiscuous`,
  judge: (p, now) => {
    const link = findLink(now, p.ifname)
    if (!link) return missingLink(p.ifname, undefined)
    return link.promiscuous
      ? { status: 'present', actual: `${p.ifname} is promiscuous` }
      : { status: 'absent', actual: `${p.ifname} is not promiscuous`, before: {} }
  },
}
