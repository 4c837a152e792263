import type { Kernel } from '../../kernel/kernel.ts'
import type { ContainerEnd } from '../../plan/container.ts'
import { interfaceNameRule } from '../../rules/names.ts'
import { findLink, HOST, type Link, type State } from '../../state/state.ts'
import { containerNetnsIfThere } from '../host.ts'
import type { Call } from '../protocol/plugin-type.ts'
import type { Settings } from '../protocol/settings.ts'
import type { Obstacle } from './attach.ts'

/** The interface on which that of a container lies. */
export interface Parent {
  /** Its name; undefined where none is configured and there is no default route. */
  name: string | undefined
  /** Whether it is in the container, too. */
  isInside: boolean
  /** As it is; undefined if it is not there, or in a container that is not known yet. */
  link: Link | undefined
}

/**
 * The parent that a configuration names; without a name the one that the container's interface has already, the one that
 * `otherwise` names, or that of the default route.
 */
export async function parentOf(
  call: Call,
  kernel: Kernel,
  settings: Settings,
  otherwise: () => string | undefined = () => undefined,
): Promise<Parent> {
  const named = settings.byRule('master', interfaceNameRule)
  const isInside = settings.flag('linkInContainer') === true
  const netns = containerNetnsIfThere(call.netns)
  if (isInside && netns === undefined) return { name: named, isInside, link: undefined }
  const now = await kernel.read({
    namespaces: new Set(netns === undefined ? [] : [netns]),
    links: isInside ? [] : named === undefined ? undefined : [named],
  })
  const place = isInside ? netns : undefined
  const name =
    named ?? nameOfParent(findLink(now, call.ifname, netns ?? ''), now) ?? otherwise() ?? defaultInterface(now, place)
  return { name, isInside, link: name === undefined ? undefined : findLink(now, name, place) }
}

/** Why nothing can lie on the parent with this MTU; `call` without a namespace does not know a parent that is inside. */
export function obstacleOf(
  { name, isInside, link }: Parent,
  mtu: number | undefined,
  { netns }: Pick<Call, 'netns'>,
): Obstacle | undefined {
  if (isInside && netns === '') return undefined
  const where = isInside ? 'in the container' : 'on the host'
  if (name === undefined)
    return {
      problem: `"master" is missing, and there is no default route ${where} to tell which interface is meant`,
      fix: 'name it, for example: "master": "eth0"',
    }
  if (!link)
    return {
      problem: `"master": there is no interface ${name} ${where}`,
      fix: isInside
        ? '"linkInContainer": true looks for it in the container: an earlier plugin of the list must make it'
        : 'ip link shows those that are there',
    }
  return mtu !== undefined && mtu > link.mtu
    ? {
        problem: `"mtu": ${mtu} is more than the ${link.mtu} of ${name}, on which the interface lies`,
        fix: `leave it out, or give ${name} a larger one`,
      }
    : undefined
}

/** Why an interface that has its parent's MAC address cannot have the requested one; `what` gives it. */
export function macObstacle({ name, link }: Parent, requested: string | undefined, what: string): Obstacle | undefined {
  return requested === undefined || requested === link?.mac
    ? undefined
    : {
        problem: `${what} gives the interface the MAC address of ${name}, not ${requested}`,
        fix: 'request no MAC address, or choose another type or mode',
      }
}

/** The parent of an interface, in its own namespace or on the host. */
function nameOfParent(link: Link | undefined, now: State): string | undefined {
  if (!link || link.kind === 'veth') return undefined
  return link.peer ?? now.get(HOST)?.links.find(({ index }) => index === link.peerIndex)?.name
}

function defaultInterface(now: State, netns: string = HOST): string | undefined {
  const routes = (now.get(netns)?.routes ?? []).filter(({ dst, dev }) => dst === 'default' && dev !== undefined)
  const [best] = routes.toSorted((one, two) => one.family.localeCompare(two.family) || one.metric - two.metric)
  return best?.dev
}

/** The parameters of the operation that makes the container's interface on its parent. */
export function parentParams({ name = '', isInside }: Parent, { ifname, netns, mac, owner }: ContainerEnd) {
  return {
    name: ifname,
    netns,
    parent: name,
    parentIn: isInside ? ('netns' as const) : ('host' as const),
    mark: { mac, owner },
  }
}
