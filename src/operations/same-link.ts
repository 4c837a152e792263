import { findLink, HOST, type Link, type State } from '../state/state.ts'
import { type Before, MARK_ALIAS, type Mark } from './operation.ts'

/** The interface that an operation changed, as it is now; and how somebody changed it since, in words. */
interface Located {
  link?: Link
  altered?: string
}

/**
 * Finds the interface that an operation changed. `before` says how to recognise it on the machine: by its index, which is
 * unique in the namespace, and its MAC address; if we created it along with the operation, by the MAC address that we set
 * and our alias. Returns nothing if it is gone, even if another one has its name now. In a sandbox, where `before` says
 * nothing, the name decides.
 */
function locate({ link: known }: Before, ifname: string, netns: string | undefined, now: State): Located {
  const named = findLink(now, ifname, netns)
  if (!known) return named ? { link: named } : {}
  const { index, mac } = known
  if (named && (index === undefined || named.index === index) && markOf(named) === mac) return { link: named }
  if (named && (index === undefined ? isOurs(named) : named.index === index))
    return { link: named, altered: `${ifname} has another MAC address now` }
  const renamed = now
    .get(netns ?? HOST)
    ?.links.find((link) => (index === undefined ? markOf(link) === mac && isOurs(link) : link.index === index))
  return renamed ? { link: renamed, altered: `${ifname} is called ${renamed.name} now` } : {}
}

/** The interface that an operation changed, if it is certainly the same one. */
export function findSame(before: Before, ifname: string, netns: string | undefined, now: State): Link | undefined {
  const { link, altered } = locate(before, ifname, netns, now)
  return altered === undefined ? link : undefined
}

/** How somebody changed the interface since, in words, if `holds` is true of it; undefined if nobody did, or it is not true. */
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

/** Whether an interface bears our alias, which survives changes of its name and MAC address. */
export function isOurs({ alias }: Link): boolean {
  return alias?.startsWith(MARK_ALIAS) === true
}

/**
 * The MAC address of an interface's mark: its own, or what its alias says instead, where the kernel gives it that of its parent.
 */
export function markOf({ kind, mac, alias = '' }: Link): string {
  const said = kind === 'ipvlan' && alias.startsWith(MARKED) ? alias.slice(MARKED.length) : ''
  return said === '' ? mac : said
}

/** The alias of an interface whose MAC address is not its own. */
export function markAlias({ mac }: Mark): string {
  return `${MARKED}${mac}`
}

const MARKED = `${MARK_ALIAS}, `
