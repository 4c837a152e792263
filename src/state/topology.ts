import { findLink, HOST, INTERNET, isUplink, type Link, type State } from './state.ts'

/** One end of a cable: an interface, and the namespace that it is in. */
export interface CableEnd {
  netns: string
  link: Link
}

/**
 * The other end of a veth, wherever it is. Undefined for other interfaces, and where the other end's namespace was not
 * read. In another namespace the two know each other by their indices (`link_index` of `ip -j -d link`), and where those
 * are alike, by the numbers that namespaces give each other.
 */
export function otherEnd(state: State, { netns, link }: CableEnd): CableEnd | undefined {
  if (link.peer !== undefined) {
    const peer = findLink(state, link.peer, netns)
    return peer && { netns, link: peer }
  }
  const ids = state.get(netns)?.netnsIds
  const place = ids && (ids.get(link.peerNetnsId ?? -1) ?? HOST) // which alone has no name
  for (const [other, namespace] of state) {
    if (other === netns || (place !== undefined && other !== place)) continue
    if ((isUplink(link) && other !== INTERNET) || (netns === INTERNET && other !== HOST)) continue
    const peer = namespace?.links.find(
      (one) => one.index === link.peerIndex && one.peerIndex === link.index && isUplink(one) === (netns === INTERNET),
    )
    if (peer) return { netns: other, link: peer }
  }
  return undefined
}

/**
 * The namespaces with cables whose indices are those of another cable's end, too, as new namespaces count from the same
 * number. The uplink, which leads to the internet, is not taken for another one.
 */
export function ambiguous(state: State): string[] {
  const count = new Map<string, number>()
  const ends = [...state].flatMap(([netns, namespace]) =>
    (netns === INTERNET ? [] : (namespace?.links ?? [])).flatMap((link) =>
      link.peerIndex === undefined || isUplink(link) ? [] : [{ netns, key: `${link.index} ${link.peerIndex}` }],
    ),
  )
  for (const { key } of ends) count.set(key, (count.get(key) ?? 0) + 1)
  return [...new Set(ends.filter(({ key }) => (count.get(key) ?? 0) > 1).map(({ netns }) => netns))]
}
