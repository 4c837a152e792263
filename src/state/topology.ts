import { HOST, INTERNET, isUplink, type Link, type State } from './state.ts'

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
    const peer = interfacesOf(state).byName.get(`${netns} ${link.peer}`)
    return peer && { netns, link: peer }
  }
  const ids = state.get(netns)?.netnsIds
  const place = ids && (ids.get(link.peerNetnsId ?? -1) ?? HOST) // which alone has no name
  return interfacesOf(state)
    .byIndices.get(`${link.peerIndex} ${link.index}`)
    ?.find(({ netns: other, link: one }) => {
      if (other === netns || (place !== undefined && other !== place)) return false
      if ((isUplink(link) && other !== INTERNET) || (netns === INTERNET && other !== HOST)) return false
      return isUplink(one) === (netns === INTERNET)
    })
}

/** The interfaces of a state, to be found without looking through all of them for each. */
interface Interfaces {
  /** By namespace and name. */
  byName: Map<string, Link>
  /** The ends of cables by their indices and their peers', as far as they differ in more: they may be made up. */
  byIndices: Map<string, CableEnd[]>
}

const known = new WeakMap<State, Interfaces>()

function interfacesOf(state: State): Interfaces {
  const found = known.get(state)
  if (found) return found
  const made: Interfaces = { byName: new Map(), byIndices: new Map() }
  for (const [netns, namespace] of state)
    for (const link of namespace?.links ?? []) {
      const name = `${netns} ${link.name}`
      if (!made.byName.has(name)) made.byName.set(name, link)
      if (link.peerIndex === undefined) continue
      const key = `${link.index} ${link.peerIndex}`
      const same = made.byIndices.get(key) ?? []
      if (same.some((one) => one.netns === netns && isUplink(one.link) === isUplink(link))) continue
      made.byIndices.set(key, [...same, { netns, link }])
    }
  known.set(state, made)
  return made
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
