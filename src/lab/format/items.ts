import * as z from 'zod'
import { type Assertion, assertionKinds, isAssertion, parseClaim } from '../../assertions/registry.ts'
import { isKind, kinds, type Operation, parseOperation } from '../../operations/registry.ts'
import { nearest } from '../../nearest.ts'
import { BOUNDS } from './bounds.ts'
import { complaints, unknown } from './complaints.ts'
import type { Source } from './source.ts'
import { fillTree, TemplateError, type Variables } from './template.ts'

type Path = readonly PropertyKey[]
type Item = Readonly<Record<string, unknown>>

/** Runs `act`; turns its TemplateError into an error at a place in the file. */
export function inFile<T>(source: Source, path: Path, act: () => T): T {
  try {
    return act()
  } catch (error) {
    throw error instanceof TemplateError ? source.errorAt(path, error.message) : error
  }
}

/** How often an operation may be repeated: a bridge takes 1023 ports. */
const MAX_REPEATS = 1023

/** A lab must not choose the mark by which the program recognises on the machine what it made. */
const unmarkedSchema = z.looseObject({}).check((ctx) => {
  if ('mark' in ctx.value) ctx.issues.push({ code: 'unrecognized_keys', keys: ['mark'], input: ctx.value })
})

/**
 * The operations of one item of `operations`, `solution` or `start`, with repeats. `room` counts how many the lab may still have.
 * Throws CnilabError `usage`.
 */
export function operations(
  source: Source,
  path: Path,
  item: Item,
  variables: Variables,
  room: { operations: number },
): Operation[] {
  const { repeat } = item
  const kind = theKind(source, path, item, ['repeat', 'until'], 'operation', 'bridge: {name: cni0}')
  if (!isKind(kind)) throw source.errorAt([...path, kind], unknown('operation', kind, Object.keys(kinds)))
  const at = [...path, kind]
  const unmarked = unmarkedSchema.safeParse(item[kind], complaints)
  if (!unmarked.success) throw source.complaint(unmarked.error, at)
  const one = (values: Variables) =>
    filled(source, at, item[kind], values, (params) => parseOperation(kind, params, complaints))
  const take = (count: number, place: Path) => {
    room.operations -= count
    if (room.operations < 0)
      throw source.errorAt(place, `this makes more than ${BOUNDS.operations} operations in one lab`)
  }
  if (repeat === undefined) {
    take(1, path)
    return [one(variables)]
  }
  const digits = inFile(source, [...path, 'repeat'], () => fillTree(repeat, variables))
  // Number() would also accept 0x2, 1e2 and the empty string.
  const times = typeof digits === 'string' && /^\d{1,9}$/.test(digits) ? Number(digits) : 0
  if (times < 1 || times > MAX_REPEATS)
    throw source.errorAt([...path, 'repeat'], `repeat is a whole number from 1 to ${MAX_REPEATS}`)
  take(times, [...path, 'repeat'])
  return Array.from({ length: times }, (_, i) => one({ ...variables, i: String(i + 1) }))
}

/** How long a check may wait, in seconds. */
const MAX_WAIT = 60

/** The assertion of one item of `checks` or `before`, with `not` and `wait`. Throws CnilabError `usage`. */
export function assertion(source: Source, path: Path, item: Item, variables: Variables): Assertion {
  const kind = theKind(source, path, item, ['wait', 'until'], 'check', 'ping: {from: red, to: 10.22.0.1}')
  if (kind === 'not') {
    const inner = z.record(z.string(), z.unknown()).safeParse(item['not'])
    if (!inner.success) throw source.errorAt([...path, 'not'], 'not takes a check, for example: not: {ping: {…}}')
    if ('not' in inner.data) throw source.errorAt([...path, 'not'], 'not takes a check, but not another not')
    refuseUntil(source, [...path, 'not'], inner.data, 'until stands beside not, not in it')
    const { claim } = assertion(source, [...path, 'not'], inner.data, variables)
    return { claim, not: true, wait: waitOf(source, path, item) }
  }
  if (!isAssertion(kind))
    throw source.errorAt([...path, kind], unknown('check', kind, [...Object.keys(assertionKinds), 'not']))
  const claim = filled(source, [...path, kind], item[kind], variables, (params) => parseClaim(kind, params, complaints))
  return { claim, not: false, wait: waitOf(source, path, item) }
}

/** The id of the step from which on an item need not hold any more, one of `later`; undefined if it holds to the end. */
export function untilOf(source: Source, path: Path, { until }: Item, later: readonly string[]): string | undefined {
  if (until === undefined || (typeof until === 'string' && later.includes(until))) return until
  throw source.errorAt(
    [...path, 'until'],
    later.length === 0
      ? 'until names a later step, and this is the last one'
      : `until is the id of a later step, from which on this need not hold any more: ${later.join(', ')}`,
  )
}

/** Refuses `until` where nothing lasts. */
export function refuseUntil(source: Source, path: Path, item: Item, why: string): void {
  if ('until' in item) throw source.errorAt([...path, 'until'], why)
}

function waitOf(source: Source, path: Path, { wait }: Item): number {
  if (wait === undefined) return 0
  if (typeof wait === 'string' && /^\d{1,2}$/.test(wait) && Number(wait) <= MAX_WAIT) return Number(wait)
  throw source.errorAt([...path, 'wait'], `wait is a whole number of seconds, at most ${MAX_WAIT}`)
}

/** The single key of an item that names its kind. */
function theKind(
  source: Source,
  path: Path,
  item: Item,
  others: readonly string[],
  what: string,
  example: string,
): string {
  const [kind, ...more] = Object.keys(item).filter((key) => !others.includes(key))
  if (kind === undefined)
    throw source.errorAt(
      path,
      `${what === 'check' ? 'a check' : 'an operation'} names its kind, for example: ${example}`,
    )
  const [misspelt] = [kind, ...more].filter((key) => nearest(key, others) !== undefined)
  if (misspelt !== undefined) throw source.errorAt([...path, misspelt], unknown('key', misspelt, others))
  if (more[0] !== undefined)
    throw source.errorAt(
      [...path, more[0]],
      `${what === 'check' ? 'a check' : 'an operation'} has one kind; '${more[0]}' belongs in a separate item`,
    )
  return kind
}

function filled<T>(source: Source, at: Path, tree: unknown, variables: Variables, parse: (params: unknown) => T): T {
  try {
    return parse(inFile(source, at, () => fillTree(tree, variables)))
  } catch (error) {
    throw error instanceof z.ZodError ? source.complaint(error, at) : error
  }
}
