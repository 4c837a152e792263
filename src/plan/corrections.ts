import { overlaps } from '../ip-arithmetic.ts'
import { ip, inNetns, whereIs } from '../operations/operation.ts'
import type { BoundOperation } from '../operations/registry.ts'
import { HOST, INTERNET, isUplink, type State, UPLINK } from '../state/state.ts'
import { type Correction, straightenCables } from './cables.ts'
import { foresee } from './foresee.ts'

/**
 * What is in the way of a plan in a state: ends of its cables that are astray, and addresses that belong elsewhere. `done`
 * is the part of the plan that is to be done now.
 */
export function correctionsFor(
  plan: readonly BoundOperation[],
  done: readonly BoundOperation[],
  now: State,
): Correction[] {
  const cables = straightenCables(plan, done, now)
  const straight = foresee(
    now,
    cables.flatMap(({ commands }) => commands),
  )
  return [...cables, ...freeUplink(straight), ...removeAddresses(plan, straight)]
}

/** An interface that is a port of a bridge hands it all that arrives: the host could not be reached through its uplink. */
function freeUplink(now: State): Correction[] {
  const uplink = now.get(HOST)?.links.find((link) => isUplink(link) && link.master !== undefined)
  if (!uplink) return []
  return [
    {
      wrong: `${uplink.name}, the uplink of the host, is a port of ${uplink.master ?? ''}`,
      commands: [ip(undefined, 'link', 'set', 'dev', uplink.name, 'nomaster')],
    },
  ]
}

/**
 * Addresses of the plan that are somewhere else, too, and others in a subnet in which the plan gives an address to something
 * else in the same namespace: packets would go there.
 */
function removeAddresses(plan: readonly BoundOperation[], now: State): Correction[] {
  const planned = plan.flatMap(({ addresses }) => addresses)
  const ends = planned.map(({ address, ifname, netns = HOST }) => {
    return { address: address.split('/')[0] ?? '', cidr: address, ifname, netns }
  })
  return [...now].flatMap(([place, namespace]) =>
    place === INTERNET
      ? []
      : (namespace?.links ?? []).flatMap((link) =>
          // The first address of a subnet takes the others along.
          link.addresses.toReversed().flatMap(({ address, prefix, scope }): Correction[] => {
            if (scope !== 'global' || address === UPLINK.address) return []
            if (ends.some((one) => one.address === address && one.ifname === link.name && one.netns === place))
              return []
            const cidr = `${address}/${prefix}`
            const owner =
              ends.find((one) => one.address === address) ??
              ends.find((one) => one.netns === place && overlaps(one.cidr, cidr))
            if (!owner) return []
            const its = `${owner.ifname}${inNetns(owner.netns === HOST ? undefined : owner.netns)}`
            const netns = place === HOST ? undefined : place
            return [
              {
                wrong:
                  owner.address === address
                    ? `${cidr} is on ${link.name} ${whereIs(place)}, and belongs to ${its}`
                    : `${link.name}${inNetns(netns)} has ${cidr}, in the subnet where ${its} is to have ${owner.cidr}`,
                commands: [ip(netns, 'address', 'delete', cidr, 'dev', link.name)],
              },
            ]
          }),
        ),
  )
}
