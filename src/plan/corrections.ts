import { overlaps } from '../ip-arithmetic.ts'
import { ip, inNetns, readResource, whereIs } from '../operations/operation.ts'
import type { BoundOperation } from '../operations/registry.ts'
import { type Address, HOST, INTERNET, isUplink, type Link, type State, UPLINK } from '../state/state.ts'
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
  return [...cables, ...freeUplink(straight), ...strayAddresses(plan, straight)]
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
 * Addresses that a plan gives to an interface and that another interface has, in a namespace that the plan is about: packets
 * would go there.
 */
export function misplacedAddresses(plan: readonly BoundOperation[], now: State): Correction[] {
  const about = plan.flatMap(({ needs, provides }) => [...needs, ...provides]).map((one) => readResource(one).netns)
  const places = new Set([HOST, ...about])
  return removeAddresses(plan, now, (place, { address }, owner) => places.has(place) && owner.address === address)
}

/** The same wherever they are, and others in a subnet in which the plan gives an address to something else in the same namespace. */
function strayAddresses(plan: readonly BoundOperation[], now: State): Correction[] {
  return removeAddresses(
    plan,
    now,
    (place, { address, prefix }, owner) =>
      owner.address === address || (owner.netns === place && overlaps(owner.cidr, `${address}/${prefix}`)),
  )
}

/** An address of a plan, and where it belongs. */
interface Owner {
  address: string
  cidr: string
  ifname: string
  netns: string
}

/** `isWrong`: whether what is in a place has to give way to what the plan has there, or elsewhere. */
function removeAddresses(
  plan: readonly BoundOperation[],
  now: State,
  isWrong: (place: string, one: Address, owner: Owner) => boolean,
): Correction[] {
  const owners = plan
    .flatMap(({ addresses }) => addresses)
    .map(({ address, ifname, netns = HOST }): Owner => {
      return { address: address.split('/')[0] ?? '', cidr: address, ifname, netns }
    })
  return [...now].flatMap(([place, namespace]) =>
    place === INTERNET
      ? []
      : (namespace?.links ?? []).flatMap((link) =>
          // The first address of a subnet takes the others along.
          link.addresses.toReversed().flatMap((one): Correction[] => {
            const { address, scope } = one
            if (scope !== 'global' || address === UPLINK.address) return []
            if (owners.some((its) => its.address === address && its.ifname === link.name && its.netns === place))
              return []
            const wrong = owners.filter((owner) => isWrong(place, one, owner))
            const owner = wrong.find((its) => its.address === address) ?? wrong[0]
            return owner ? [removal(place, link, one, owner)] : []
          }),
        ),
  )
}

function removal(place: string, { name }: Link, { address, prefix }: Address, owner: Owner): Correction {
  const cidr = `${address}/${prefix}`
  const its = `${owner.ifname}${inNetns(owner.netns === HOST ? undefined : owner.netns)}`
  const netns = place === HOST ? undefined : place
  return {
    wrong:
      owner.address === address
        ? `${cidr} is on ${name} ${whereIs(place)}, and belongs to ${its}`
        : `${name}${inNetns(netns)} has ${cidr}, in the subnet where ${its} is to have ${owner.cidr}`,
    commands: [ip(netns, 'address', 'delete', cidr, 'dev', name)],
  }
}
