import * as z from 'zod'
import { findLink, type State } from '../state/state.ts'
import { interfaceName, netnsName } from './names.ts'
import {
  type Before,
  type OperationKind,
  HOST_PID,
  inNetns,
  ip,
  missingLink,
  missingNetns,
  placeId,
  resource,
} from './operation.ts'
import { isOurs } from './same-link.ts'

interface Params {
  ifname: string
  netns: string
  /** The name it gets there; its own if not given. */
  name?: string | undefined
}

const nameThere = (p: Params) => p.name ?? p.ifname

/** Moves an interface of the host into a namespace: ip-link(8), `link set … netns`. */
export const attachNetns: OperationKind<'attach-netns', Params> = {
  kind: 'attach-netns',
  step: () => 'attach-netns',
  get params() {
    return z
      .strictObject({ ifname: interfaceName, netns: netnsName, name: interfaceName.optional() })
      .refine((p) => p.ifname !== 'lo' && p.name !== 'lo', {
        error: 'every namespace has a lo of its own, which cannot be moved or replaced, for example: veth-red',
        path: ['ifname'],
      })
  },
  id: (p) => placeId(p.netns, nameThere(p)),
  reads: (p) => ({ namespaces: [p.netns] }),
  moves: ({ ifname, netns }) => ({ ifname, netns }),
  provides: (p) => [resource.link(nameThere(p), p.netns)],
  needs: (p) => [resource.netns(p.netns), resource.link(p.ifname)],
  apply: (p) => [
    ip(undefined, 'link', 'set', 'dev', p.ifname, 'netns', p.netns, ...(p.name === undefined ? [] : ['name', p.name])),
  ],
  target: ({ ifname }) => ({ ifname }),
  undo: (p, before, now) =>
    findMoved(p, before, now).isSame && !findLink(now, p.ifname)
      ? [
          ip(
            p.netns,
            'link',
            'set',
            'dev',
            nameThere(p),
            'netns',
            HOST_PID,
            ...(p.name === undefined ? [] : ['name', p.ifname]),
          ),
        ]
      : [],
  altered: (p, before, now) => findMoved(p, before, now).altered,
  explain: (p) => ({
    what: `Move ${p.ifname} into namespace ${p.netns}${p.name === undefined ? '' : ` and call it ${p.name}`}`,
    why: "An interface lives in exactly one namespace. Once moved, it is gone from the host's list and is the container's own network card.",
  }),
  expected: (p) => `${nameThere(p)} is in namespace ${p.netns}`,
  judge: (p, now) => {
    const blocked = missingNetns(p.netns, now)
    if (blocked) return blocked
    const here = findLink(now, p.ifname)
    const there = findLink(now, nameThere(p), p.netns)
    if (there && here)
      return {
        status: 'differs',
        actual: `${p.netns} already has an interface ${nameThere(p)}, and ${p.ifname} is still on the host`,
      }
    if (there) return { status: 'present', actual: `${nameThere(p)} is in namespace ${p.netns}` }
    if (here) return { status: 'absent', actual: `${p.ifname} is still on the host`, before: {} }
    return missingLink(p.ifname, undefined)
  },
}

/** The interface that was moved. Its index may be another one there; of one that is ours the alias tells, too. */
function findMoved(p: Params, { link }: Before, now: State): { isSame: boolean; altered?: string } {
  const name = nameThere(p)
  const there = findLink(now, name, p.netns)
  if (there && (link === undefined || there.mac === link.mac)) return { isSame: true }
  if (there && isOurs(there))
    return { isSame: false, altered: `${name}${inNetns(p.netns)} has another MAC address now` }
  const renamed = now.get(p.netns)?.links.find(({ mac }) => mac === link?.mac)
  return renamed
    ? { isSame: false, altered: `${name}${inNetns(p.netns)} is called ${renamed.name} now` }
    : { isSame: false }
}
