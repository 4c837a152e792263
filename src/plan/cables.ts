import { bring, clear } from '../operations/made-link.ts'
import type { Place } from '../operations/around.ts'
import { type Command, type Resource, resource, whereIs } from '../operations/operation.ts'
import type { BoundOperation } from '../operations/registry.ts'
import { isWayOut } from '../operations/way-out.ts'
import { HOST, INTERNET, type State } from '../state/state.ts'
import { type CableEnd, otherEnd } from '../state/topology.ts'
import { foresee } from './foresee.ts'

/** Something that is wrong although no single operation says so, and the commands that put it right. */
export interface Correction {
  wrong: string
  commands: readonly Command[]
}

/** A cable of a plan: the places at which each of its ends is in turn, from where it is made. */
type Ways = NonNullable<BoundOperation['ways']>

/** A cable that is there, and how well it fits one of the plan: each of its ends, in the order of the plan's. */
interface Fit {
  cable: Ways
  ends: readonly [CableEnd, CableEnd]
  score: number
}

/** The cables of a plan, with all places to which it moves their ends. */
function cablesOf(plan: readonly BoundOperation[]): Ways[] {
  return plan.flatMap(({ ways }) => (ways ? [ways] : []))
}

function isSame(one: Place | undefined, other: Place): boolean {
  return one?.ifname === other.ifname && one.netns === other.netns
}

const placeOf = ({ netns, link }: CableEnd): Place => ({
  ifname: link.name,
  netns: netns === HOST ? undefined : netns,
})

const isAt = (end: CableEnd, places: readonly Place[]) => places.some((place) => isSame(placeOf(end), place))

/** How well an end fits the places that it should have: best by name and namespace, the last one before the others. */
function fitOf(end: CableEnd, places: readonly Place[]): number {
  const { ifname, netns } = placeOf(end)
  if (isSame(placeOf(end), places.at(-1) ?? { ifname: '' })) return 5
  if (isAt(end, places)) return 4
  return (
    (places.some((place) => place.ifname === ifname) ? 1 : 0) + (places.some((place) => place.netns === netns) ? 1 : 0)
  )
}

/**
 * Finds the cables of a plan, wherever their ends are and whatever they are called: each is the one that fits best, by the
 * end that is in its place, or else by names and namespaces, if no other fits as well.
 */
function findCables(plan: readonly BoundOperation[], now: State): Fit[] {
  const planned = cablesOf(plan)
  const there = pairsIn(now)
  const fits = planned.flatMap((cable) =>
    there.flatMap(([one, other]) =>
      (
        [
          [one, other],
          [other, one],
        ] as const
      ).map((ends): Fit => {
        const score = fitOf(ends[0], cable[0]) + fitOf(ends[1], cable[1])
        return { cable, ends, score }
      }),
    ),
  )
  const found: Fit[] = []
  const isFree = (fit: Fit) => !found.some((one) => one.cable === fit.cable || isPartOf(fit.ends[0], one))
  for (const fit of fits.toSorted((one, other) => other.score - one.score)) {
    if (fit.score < 2 || !isFree(fit)) continue
    const isExact = fit.ends.some((end, i) => isAt(end, fit.cable[i] ?? []))
    const isRival = (one: Fit) =>
      one.score === fit.score && (one.cable === fit.cable) !== isPartOf(one.ends[0], fit) && isFree(one)
    if (isExact || !fits.some(isRival)) found.push(fit)
  }
  return found
}

const isPartOf = (end: CableEnd, { ends }: Fit) =>
  ends.some(({ netns, link }) => netns === end.netns && link.index === end.link.index)

/** All cables but the uplink. */
function pairsIn(now: State): [CableEnd, CableEnd][] {
  const seen = new Set<unknown>()
  return [...now].flatMap(([netns, namespace]) =>
    (namespace?.links ?? []).flatMap((link): [CableEnd, CableEnd][] => {
      const far = link.kind === 'veth' && netns !== INTERNET ? otherEnd(now, { netns, link }) : undefined
      if (!far || far.netns === INTERNET || seen.has(link)) return []
      seen.add(far.link)
      return [[{ netns, link }, far]]
    }),
  )
}

/**
 * The cables of a plan whose ends are astray: in a namespace or under a name that is none of those which the plan gives them.
 * Each end is brought to the last place that `done`, the part of the plan that is to be done, gives it.
 */
export function straightenCables(
  plan: readonly BoundOperation[],
  done: readonly BoundOperation[],
  now: State,
): Correction[] {
  const targets = cablesOf(done)
  let state = now
  return findCables(plan, now).flatMap(({ cable, ends }) => {
    const target = targets.find((one) => one.every(([first], i) => first && isSame(cable[i]?.[0], first)))
    if (!target) return []
    const astray = ends.flatMap((end, i) => {
      const places = (target[i] ?? []).filter(({ netns }) => netns === undefined || state.has(netns))
      const to = places.at(-1)
      return to && !isAt(end, cable[i] ?? []) && !isWayOut(end.link.name, placeOf(end).netns, state)
        ? [{ end, to }]
        : []
    })
    return astray.map(({ end, to }) => {
      const commands = [...clear(to.ifname, to.netns, state), ...bring(end, to, state)]
      state = foresee(state, commands)
      return { wrong: `${to.ifname} is ${describe(end, to)}`, commands }
    })
  })
}

/** `in namespace rde, where it is called eth0`: where an end is, which should be at a place. */
function describe(end: CableEnd, { ifname }: Place): string {
  const { name } = end.link
  return `${whereIs(end.netns)}${name === ifname ? '' : `, where it is called ${name}`}`
}

/**
 * Where an interface of a plan's cable is, which is missing at the place where it was looked for, in words, and the commands
 * that bring it back; undefined if nobody knows.
 */
export function whereabouts(
  plan: readonly BoundOperation[],
  missing: Resource,
  now: State,
): { words: string; back: readonly Command[] } | undefined {
  for (const { cable, ends } of findCables(plan, now))
    for (const [i, end] of ends.entries()) {
      const place = (cable[i] ?? []).find(({ ifname, netns }) => resource.link(ifname, netns) === missing)
      if (place && !isSame(placeOf(end), place))
        return { words: `${place.ifname} is ${describe(end, place)}`, back: bring(end, place, now) }
    }
  return undefined
}
