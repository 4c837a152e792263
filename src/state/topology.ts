import { HOST, INTERNET, isUplink, type Link, type State } from './state.ts'

/** One end of a cable: an interface, and the namespace that it is in. */
export interface CableEnd {
  netns: string
  link: Link
}

/** Whether an end is in this place. */
export function isAt(
  end: CableEnd | undefined,
  { ifname, netns = HOST }: { ifname: string; netns?: string | undefined },
): boolean {
  return end?.netns === netns && end.link.name === ifname
}

/**
 * The other end of a veth, in any namespace. Undefined for other interfaces, and if the other end's namespace was not
 * read. Across namespaces, the ends refer to each other by index (`link_index` of `ip -j -d link`); where several pairs
 * have the same indices, the ids that namespaces have for each other decide.
 */
export function otherEnd(state: State, { netns, link }: CableEnd): CableEnd | undefined {
  if (link.peer !== undefined) {
    const peer = interfacesOf(state).byName.get(`${netns} ${link.peer}`)
    return peer && { netns, link: peer }
  }
  const ids = state.get(netns)?.netnsIds
  const place = ids && (ids.get(link.peerNetnsId ?? -1) ?? HOST) // the only namespace without a name
  return interfacesOf(state)
    .byIndices.get(`${link.peerIndex} ${link.index}`)
    ?.find(({ netns: other, link: one }) => {
      if (other === netns || (place !== undefined && other !== place)) return false
      if ((isUplink(link) && other !== INTERNET) || (netns === INTERNET && other !== HOST)) return false
      return isUplink(one) === (netns === INTERNET)
    })
}

/** The interfaces of a state, indexed, as a search through all of them for each would be slow. */
interface Interfaces {
  /** By namespace and name. */
  byName: Map<string, Link>
  /** The ends of cables, by their own index and their peer's. Of like ones in a namespace only the first: what was read may be forged. */
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
 * The namespaces with a cable whose pair of indices is not unique, which is common, as every new namespace counts from the
 * same number. The uplink does not count: it cannot be mistaken for another cable.
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
