import { findLink, HOST, type Link, type State } from '../state/state.ts'
import { type Before, MARK_ALIAS } from './operation.ts'

/** An interface that an operation changed, as it is now; and why it is left alone, in words, if it was changed since. */
interface Located {
  link?: Link
  altered?: string
}

/**
 * Finds the interface that an operation changed. `before` says how it is recognised on the machine: by its index, which no
 * other one of the namespace gets, and its MAC address; if it was made along with the operation by its MAC address, which
 * was given to it, and our alias. Neither is returned where it is gone, also if another one has its name now. Where nothing
 * is known, as in a sandbox, the name counts.
 */
function locate({ link: known }: Before, ifname: string, netns: string | undefined, now: State): Located {
  const named = findLink(now, ifname, netns)
  if (!known) return named ? { link: named } : {}
  const { index, mac } = known
  if (named && (index === undefined || named.index === index) && named.mac === mac) return { link: named }
  if (named && (index === undefined ? isOurs(named) : named.index === index))
    return { link: named, altered: `${ifname} has another MAC address now` }
  const renamed = now
    .get(netns ?? HOST)
    ?.links.find((link) => (index === undefined ? link.mac === mac && isOurs(link) : link.index === index))
  return renamed ? { link: renamed, altered: `${ifname} is called ${renamed.name} now` } : {}
}

/** The interface, if it is certain that it is the one. */
export function findSame(before: Before, ifname: string, netns: string | undefined, now: State): Link | undefined {
  const { link, altered } = locate(before, ifname, netns, now)
  return altered === undefined ? link : undefined
}

/** Why what holds for an interface is left alone; undefined if it may be undone, or does not hold. */
export function alteredLink(
  before: Before,
  ifname: string,
  netns: string | undefined,
  now: State,
  holds: (link: Link) => boolean,
): string | undefined {
  const { link, altered } = locate(before, ifname, netns, now)
  return link && holds(link) ? altered : undefined
}

/** Whether it bears our alias, which it keeps whatever becomes of its name and its MAC address. */
export function isOurs({ alias }: Link): boolean {
  return alias?.startsWith(MARK_ALIAS) === true
}
