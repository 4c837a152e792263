import * as z from 'zod'
import { findLink, findLinkAnywhere, HOST, type Link, type State } from '../state/state.ts'
import { anyNetns, interfaceName } from './names.ts'
import {
  type OperationKind,
  HOST_PID,
  inNetns,
  ip,
  MARK_ALIAS,
  markSchema,
  missingNetns,
  resource,
} from './operation.ts'

interface Params {
  name: string
  netns?: string | undefined
  peer: string
  peerNetns?: string | undefined
  mark?: z.infer<typeof markSchema> | undefined
}

/** A veth pair, a virtual cable: veth(4). Each end may be made in its namespace at once, which spares moving it. */
export const veth: OperationKind<'veth', Params> = {
  kind: 'veth',
  params: z
    .strictObject({
      name: interfaceName,
      netns: anyNetns.optional(),
      peer: interfaceName,
      peerNetns: anyNetns.optional(),
      mark: markSchema.optional(),
    })
    .refine((p) => p.name !== p.peer || p.netns !== p.peerNetns, {
      error: (issue) => {
        const { name } = z.object({ name: z.string() }).catch({ name: '' }).parse(issue.input)
        return `both ends of a veth pair are called '${name}': two interfaces of one namespace cannot share a name, for example: veth-red veth-red-br`
      },
      path: ['peer'],
    }),
  id: (p) => p.name,
  provides: (p) => [resource.link(p.name, p.netns), resource.link(p.peer, p.peerNetns)],
  needs: (p) => [p.netns, p.peerNetns].flatMap((netns) => (netns === undefined ? [] : [resource.netns(netns)])),
  apply: ({ name, netns, peer, peerNetns, mark }) => {
    const mac = (address: string | undefined) => (address === undefined ? [] : ['address', address])
    const at = (place: string | undefined, other: string | undefined) =>
      place === other ? [] : ['netns', place ?? HOST_PID]
    const add = ip(
      netns,
      'link',
      'add',
      'name',
      name,
      ...mac(mark?.mac),
      'type',
      'veth',
      'peer',
      'name',
      peer,
      ...mac(mark?.peerMac),
      ...at(peerNetns, netns),
    )
    const alias = (ifname: string, place: string | undefined) =>
      ip(place, 'link', 'set', 'dev', ifname, 'alias', MARK_ALIAS)
    return mark ? [add, alias(name, netns), alias(peer, peerNetns)] : [add]
  },
  undo: (p, _before, now) => {
    const end = p.mark ? (findByMac(now, p.mark.mac) ?? findByMac(now, p.mark.peerMac)) : findEnd(p, now)
    return end?.link.kind === 'veth'
      ? [ip(end.netns === HOST ? undefined : end.netns, 'link', 'delete', 'dev', end.link.name)]
      : []
  },
  explain: (p) => ({
    what: `Create the veth pair ${p.name} and ${p.peer}`,
    why: 'A veth pair is a virtual cable: what goes in at one end comes out at the other, even when the ends live in different namespaces. It is made first and plugged in afterwards.',
  }),
  expected: (p) => `${p.name} and ${p.peer} are the ends of a veth pair`,
  judge: (p, now) => missingNetns(p.netns, now) ?? missingNetns(p.peerNetns, now) ?? judgeEnds(p, now),
}

/** One of the two ends: where it was made, or, if that was the host, wherever it was moved to. */
function findEnd(p: Params, now: State): { link: Link; netns: string } | undefined {
  const ends = [
    [p.name, p.netns],
    [p.peer, p.peerNetns],
  ] as const
  for (const [ifname, netns] of ends) {
    const link = findLink(now, ifname, netns)
    if (link) return { link, netns: netns ?? HOST }
  }
  for (const [ifname, netns] of ends) {
    const moved = netns === undefined ? findLinkAnywhere(now, ifname) : undefined
    if (moved) return moved
  }
  return undefined
}

function findByMac(now: State, mac: string | undefined): { link: Link; netns: string } | undefined {
  for (const [netns, namespace] of now) {
    const link = namespace?.links.find((candidate) => candidate.mac === mac)
    if (link) return { link, netns }
  }
  return undefined
}

function judgeEnds(p: Params, now: State): ReturnType<typeof veth.judge> {
  const near = findLink(now, p.name, p.netns)
  const far = findLink(now, p.peer, p.peerNetns)
  for (const [link, ifname, netns] of [
    [near, p.name, p.netns],
    [far, p.peer, p.peerNetns],
  ] as const)
    if (link && link.kind !== 'veth') return { status: 'differs', actual: `${ifname}${inNetns(netns)} is not a veth` }
  if (near && far && p.netns === p.peerNetns && near.peer !== far.name)
    return { status: 'differs', actual: `${p.name} and ${p.peer} are ends of two different pairs` }
  const end = findEnd(p, now)?.link
  if (end?.kind === 'veth') return { status: 'present', actual: `${end.name} is one end of a veth pair` }
  return { status: 'absent', actual: `there is no veth pair ${p.name} and ${p.peer}`, before: {} }
}
