import * as z from 'zod'
import type { State } from '../state/state.ts'
import { HOST } from '../state/state.ts'
import { anyNetns, contains, destination, ipAddress, isIpv6 } from './names.ts'
import { type OperationKind, inNetns, ip, missingNetns, placeId, resource } from './operation.ts'

interface Params {
  dst: string
  via: string
  netns?: string | undefined
}

/** A route by way of a gateway: ip-route(8). */
export const route: OperationKind<'route', Params> = {
  kind: 'route',
  params: z
    .strictObject({ dst: destination, via: ipAddress, netns: anyNetns.optional() })
    .refine((p) => p.dst === 'default' || isIpv6(p.dst) === isIpv6(p.via), {
      error:
        'the destination and its gateway must both be IPv4 or both be IPv6, for example: 192.168.7.0/24 via 10.22.0.1',
      path: ['via'],
    }),
  id: (p) => placeId(p.netns, p.dst),
  provides: () => [],
  needs: (p) => [...(p.netns === undefined ? [] : [resource.netns(p.netns)]), resource.onlink(p.netns)],
  apply: (p) => [ip(p.netns, 'route', 'add', p.dst, 'via', p.via)],
  undo: (p, _before, now) => (find(p, now)?.via === p.via ? [ip(p.netns, 'route', 'delete', p.dst, 'via', p.via)] : []),
  explain: (p) => ({
    what: `Route ${p.dst === 'default' ? 'everything else' : p.dst}${inNetns(p.netns)} via ${p.via}`,
    why: "Without a route the kernel answers 'Network is unreachable' to everything outside its own subnets. It disappears when its interface goes down.",
  }),
  expected: (p) => `${p.dst} goes via ${p.via}${inNetns(p.netns)}`,
  judge: (p, now) => {
    const blocked = missingNetns(p.netns, now)
    if (blocked) return blocked
    const there = find(p, now)
    if (there?.via === p.via) return { status: 'present', actual: `${p.dst} goes via ${p.via}${inNetns(p.netns)}` }
    if (there)
      return {
        status: 'differs',
        actual: `${p.dst}${inNetns(p.netns)} goes ${there.via === undefined ? `to ${there.dev ?? 'nowhere'} directly` : `via ${there.via}`}`,
      }
    const actual = `there is no route to ${p.dst}${inNetns(p.netns)}`
    const namespace = now.get(p.netns ?? HOST)
    const onLink = namespace?.links.some(
      (link) => link.up && link.addresses.some((a) => contains(`${a.address}/${a.prefix}`, p.via)),
    )
    if (namespace && !onLink)
      return {
        status: 'blocked',
        actual: `${actual}, and no interface that is up has a subnet with the gateway ${p.via}`,
        missing: resource.onlink(p.netns),
      }
    return { status: 'absent', actual, before: {} }
  },
}

function find(p: Params, now: State) {
  const family = isIpv6(p.via) ? 'inet6' : 'inet'
  // The kernel writes 0.0.0.0/0 as `default`, and a host's route without its length.
  const bare = /^(0\.0\.0\.0|::)\/0$/.test(p.dst) ? 'default' : p.dst.replace(/\/(32|128)$/, '')
  return now.get(p.netns ?? HOST)?.routes.find((r) => r.family === family && (r.dst === p.dst || r.dst === bare))
}
