/** Where an interface is: its name, and its namespace; undefined for the host. */
export interface Place {
  ifname: string
  netns?: string | undefined
}

/** What the rest of a plan says about the interfaces of one of its operations. */
export interface Around {
  /** The places of an interface: its own, and those to which later operations take it, one after another. */
  places(own: Place): readonly Place[]
  /** For an operation that moves the end of a cable of the plan: the places of the other end. */
  readonly opposite: readonly Place[] | undefined
}

/** Of an operation by itself. */
export const ALONE: Around = { places: (own) => [own], opposite: undefined }

/** What the operations of a plan do to the places of interfaces. */
interface Step {
  /** The ends of the cable that it makes. */
  readonly ends: readonly [Place, Place] | undefined
  /** The interface that it moves. */
  readonly moves: { from: Place; to: Place } | undefined
}

/** One way of an interface: its places, and the indices of the operations that move it. */
interface Way {
  places: readonly Place[]
  by: readonly number[]
}

/** Returns what the other operations of a plan say about the one of an index. `steps` is read at the first question. */
export function surroundings(steps: () => readonly Step[]): (index: number) => Around {
  let known:
    | { moves: Map<string, { index: number; to: Place }[]>; opposites: Map<number, readonly Place[]> }
    | undefined
  const learn = () => {
    if (known) return known
    const all = steps()
    const moves = new Map<string, { index: number; to: Place }[]>()
    for (const [index, { moves: one }] of all.entries())
      if (one) moves.set(keyOf(one.from), [...(moves.get(keyOf(one.from)) ?? []), { index, to: one.to }])
    known = { moves, opposites: new Map() }
    for (const [index, { ends }] of all.entries()) {
      if (!ends) continue
      const [one, two] = [wayOf(ends[0], index), wayOf(ends[1], index)]
      for (const by of one.by) known.opposites.set(by, two.places)
      for (const by of two.by) known.opposites.set(by, one.places)
    }
    return known
  }
  const wayOf = (own: Place, from: number): Way => {
    const way = { places: [own], by: [from] }
    for (;;) {
      const [last, at] = [way.places.at(-1) ?? own, way.by.at(-1) ?? from]
      const next = learn()
        .moves.get(keyOf(last))
        ?.find(({ index }) => index > at)
      if (!next) return { places: way.places, by: way.by.slice(1) }
      way.places.push(next.to)
      way.by.push(next.index)
    }
  }
  return (index) => ({
    places: (own) => wayOf(own, index).places,
    get opposite() {
      return learn().opposites.get(index)
    },
  })
}

const keyOf = ({ ifname, netns = '' }: Place) => `${netns}/${ifname}`
