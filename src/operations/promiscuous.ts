import * as z from 'zod'
import { findLink } from '../state/state.ts'
import { interfaceName } from './names.ts'
import { type OperationKind, ip, missingLink, resource } from './operation.ts'

interface Params {
  ifname: string
}

/** Lets the host's own stack see every frame that an interface gets, whoever it is for: ip-link(8), `promisc`. */
export const promiscuous: OperationKind<'promiscuous', Params> = {
  kind: 'promiscuous',
  get params() {
    return z.strictObject({ ifname: interfaceName })
  },
  id: (p) => p.ifname,
  provides: () => [],
  needs: (p) => [resource.link(p.ifname)],
  apply: (p) => [ip(undefined, 'link', 'set', 'dev', p.ifname, 'promisc', 'on')],
  undo: (p, _before, now) =>
    findLink(now, p.ifname)?.promiscuous === true
      ? [ip(undefined, 'link', 'set', 'dev', p.ifname, 'promisc', 'off')]
      : [],
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
