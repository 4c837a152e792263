import { findLink, isUplink, type Link, type State } from './state.ts'

/** One end of a cable: an interface, and the namespace that it is in. */
export interface CableEnd {
  netns: string
  link: Link
}

/**
 * The other end of a veth, wherever it is. Undefined for other interfaces, and where the other end's namespace was not
 * read. In another namespace the two know each other by their indices (`link_index` of `ip -j -d link`).
 */
export function otherEnd(state: State, { netns, link }: CableEnd): CableEnd | undefined {
  if (link.peer !== undefined) {
    const peer = findLink(state, link.peer, netns)
    return peer && { netns, link: peer }
  }
  for (const [other, namespace] of state) {
    if (other === netns) continue
    // The sandbox's uplink leads to the internet, whose namespace is not read, and nowhere else.
    const peer = namespace?.links.find(
      (one) => one.index === link.peerIndex && one.peerIndex === link.index && !isUplink(one),
    )
    if (peer) return { netns: other, link: peer }
  }
  return undefined
}
