import { CnilabError } from '../errors.ts'
import { readResource, type Resource } from '../operations/operation.ts'
import {
  areOfOneKind,
  asItem,
  type BoundOperation,
  bindOperation,
  normalForm,
  type Operation,
  withParams,
} from '../operations/registry.ts'
import { inOrder } from './order.ts'

/**
 * A plan in which each thing is made once, after what it needs: what is listed again, perhaps with more of its parameters,
 * counts as the same operation. Throws CnilabError `usage` if two operations want one thing to be different, or if one needs an interface that
 * another has moved away.
 */
export function consistent(plan: readonly Operation[]): Operation[] {
  const kept: BoundOperation[] = []
  /** By what is decided: the index of the operation that decides it. */
  const holders = new Map<string, number>()
  /** By interface: what is decided about it, and who moved it away. */
  const about = new Map<Resource, string[]>()
  const gone = new Map<Resource, BoundOperation>()
  for (const bound of plan.map(bindOperation)) {
    const keys = keysOf(bound)
    const index = keys.map((key) => holders.get(key)).find((one) => one !== undefined)
    const holder = index === undefined ? undefined : kept[index]
    if (holder && index !== undefined) {
      const both = together(holder, bound)
      if (both === 'each') kept.push(bound)
      else if (both) kept[index] = bindOperation(both)
      else throw contradiction(holder, bound)
      continue
    }
    const mover = bound.needs.flatMap((need) => gone.get(need) ?? [])[0]
    if (mover) throw contradiction(mover, bound)
    for (const key of keys) holders.set(key, kept.length)
    for (const one of bound.needs.filter(isLink)) about.set(one, [...(about.get(one) ?? []), ...keys])
    for (const one of bound.provides) gone.delete(one)
    kept.push(bound)
    if (!bound.moves) continue
    // What is said of the next interface of this name is another matter.
    for (const one of bound.needs.filter(isLink)) {
      const said = (about.get(one) ?? []).filter((key) => !keys.includes(key))
      for (const key of [one, ...said]) holders.delete(key)
      about.delete(one)
      gone.set(one, bound)
    }
  }
  return inOrder(kept).map(({ operation }) => operation)
}

const isLink = (one: Resource) => readResource(one).what === 'link'

/** What an operation alone may decide: the interfaces and the namespace that it makes, or whatever its id says. */
function keysOf({ id, provides }: BoundOperation): string[] {
  const made = provides.filter((one) => ['link', 'netns'].includes(readResource(one).what))
  return made.length > 0 ? made : [id]
}

/** Two operations about one thing as one; `each` if both can be done, one after the other; undefined if they contradict. */
function together(one: BoundOperation, two: BoundOperation): Operation | 'each' | undefined {
  const made = (bound: BoundOperation) => keysOf(bound).toSorted().join(' ')
  if (!areOfOneKind(one.operation, two.operation) || made(one) !== made(two)) return undefined
  const [first, second] = [one, two].map((bound) => given(normalForm(bound.operation)))
  const differing = Object.entries(second ?? {}).filter(
    ([key, value]) => first?.[key] !== undefined && JSON.stringify(first[key]) !== JSON.stringify(value),
  )
  if (differing.length === 0) return withParams(one.operation, { ...second, ...first })
  return differing.every(([, value]) => Array.isArray(value)) ? 'each' : undefined
}

/** The parameters that have a value. */
function given({ params }: Operation): Record<string, unknown> {
  return Object.fromEntries(Object.entries(params).filter(([, value]) => value !== undefined))
}

function contradiction(one: BoundOperation, two: BoundOperation): CnilabError {
  const words = [one, two].map(({ operation, expected }) => `${asItem(operation)} (${expected})`)
  return new CnilabError('usage', `these contradict each other: ${words.join(' and ')}`, {
    fix: 'leave one of them out',
  })
}
