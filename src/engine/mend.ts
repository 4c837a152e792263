import { CnilabError } from '../errors.ts'
import { type Host, MACHINE } from '../kernel/host.ts'
import type { Kernel } from '../kernel/kernel.ts'
import type { Resource } from '../operations/operation.ts'
import { bindPlan, type BoundOperation, type Operation } from '../operations/registry.ts'
import { exclusively } from '../journal/exclusively.ts'
import type { Correction } from '../plan/cables.ts'
import { correctionsFor, misplacedAddresses } from '../plan/corrections.ts'
import { foresee } from '../plan/foresee.ts'
import { freshNetwork } from '../sandbox/scripts.ts'
import type { State } from '../state/state.ts'
import { doPlan, type DoResult, fates, type DoOptions, prepare, readFor } from './do.ts'
import { guardOf, refuseToCutOff } from './guard.ts'
import { isOursToChange } from './mending.ts'
import { withWhereabouts } from './whereabouts.ts'

type Done = DoResult['done']

/** How many rounds to mend in: each may reveal what else is wrong, or remove what another operation had found in place. */
const MOST = 8

/** Options of `mendPlan`. */
export interface MendOptions extends DoOptions {
  /**
   * All that is to be there in the end, and there is nothing else: what is in the way of that is put right first. Without it,
   * others may be there, too, and only addresses of the plan are taken from where they do not belong.
   */
  within?: readonly Operation[]
}

/** The outcome of mending: also what was wrong although no operation says so. */
export interface MendResult extends DoResult {
  corrections: readonly Correction[]
  /** What stays wrong, because it is not ours to change. */
  left: readonly Correction[]
}

/**
 * Does a plan from any state: does what is absent, and changes or replaces what differs. Idempotent. In a sandbox it may
 * change everything; on the machine only what bears our mark. Throws as `doPlan` does, if something is in the way and must
 * stay.
 */
export async function mendPlan(
  kernel: Kernel,
  plan: readonly Operation[],
  { within, ...known }: MendOptions = {},
): Promise<MendResult> {
  const { corrections, left } = await exclusively(kernel.host, async () => {
    const found = await findCorrections(kernel, plan, within)
    // Nothing is corrected for a plan that is refused.
    if (found.corrections.length > 0) await planMending(kernel, plan, within ? { within } : {})
    await kernel.run(found.corrections.flatMap(({ commands }) => commands))
    return found
  })
  const options = corrections.length > 0 ? { ...known, now: undefined } : known
  try {
    let last = await doPlan(kernel, plan, { ...options, mend: true })
    let result = last
    for (let times = 1; isMending(last.done); times++) {
      if (times === MOST) throw contradictory(last.done)
      last = await doPlan(kernel, plan, { ...options, now: undefined, mend: true })
      result = { done: together(result.done, last.done), ms: result.ms + last.ms }
    }
    return { ...result, corrections, left }
  } catch (error) {
    throw await withWhereabouts(kernel, error, within)
  }
}

/**
 * What `mendPlan` would do now: first what is there already, then the rest as it would be done. Changes nothing; throws as
 * it does.
 */
export async function planMending(
  kernel: Kernel,
  plan: readonly Operation[],
  { within }: Pick<MendOptions, 'within'> = {},
): Promise<Pick<MendResult, 'done' | 'corrections' | 'left'>> {
  try {
    const { corrections, left } = await findCorrections(kernel, plan, within)
    const { operations, now: found } = await readFor(kernel, plan)
    const now = foresee(
      found,
      corrections.flatMap(({ commands }) => commands),
    )
    return { corrections, left, done: foreseeMending(kernel.host, operations, now) }
  } catch (error) {
    throw await withWhereabouts(kernel, error, within)
  }
}

/** What `mendPlan` would do in a sandbox that has yet to be made. Throws as it does. */
export function planMendingAnew({ name, force }: { name: string; force: boolean }, plan: readonly Operation[]): Done {
  const host: Host = { ...MACHINE, kind: 'sandbox', name, inside: false, force }
  return foreseeMending(host, bindPlan(plan), freshNetwork())
}

/**
 * What `mendPlan` would do with operations in a state: first what is there already, then the rest as it would be done. Throws as
 * it does.
 */
function foreseeMending(host: Host, operations: readonly BoundOperation[], from: State): Done {
  const rounds: Done[] = []
  const provided = new Set<Resource>()
  let left = operations
  let now = from
  do {
    const { judged, todo } = prepare(host, left, now, { mend: true, provided })
    rounds.push(fates(judged, todo))
    now = foresee(now, [...todo.values()].flat())
    for (const one of [...todo.keys()].flatMap(({ provides }) => provides)) provided.add(one)
    left = left.filter((operation) => !todo.has(operation))
  } while (isMending(rounds.at(-1) ?? []) && rounds.length < MOST)
  const there = (rounds.at(-1) ?? []).filter(({ status }) => status === 'already')
  return [...there, ...rounds.flat().filter(({ status }) => status !== 'already')]
}

/** What is in the way of a plan, or of all that is to be there in the end: what is ours to change, and what is not. */
async function findCorrections(
  kernel: Kernel,
  plan: readonly Operation[],
  within: readonly Operation[] | undefined,
): Promise<Pick<MendResult, 'corrections' | 'left'>> {
  const bound = bindPlan(plan)
  const isAboutAddresses = bound.some(({ addresses }) => addresses.length > 0)
  if (within ? within.length === 0 : !isAboutAddresses) return { corrections: [], left: [] }
  const now = await kernel.read({ namespaces: undefined })
  const { host } = kernel
  const found = within ? correctionsFor(bindPlan(within), bound, now) : misplacedAddresses(bound, now)
  const isOurs = ({ commands }: Correction) => isOursToChange(host, commands, now)
  const guard = guardOf(host, now)
  if (!within) for (const { wrong, commands } of found.filter(isOurs)) refuseToCutOff(host, wrong, commands, guard)
  return { corrections: found.filter(isOurs), left: found.filter((one) => !isOurs(one)) }
}

/** Whether another round is due: an operation was mended, so others may have waited, or must be done again. */
const isMending = (done: Done) => done.some(({ status }) => status === 'mended')

/** What two rounds did to each operation. */
function together(first: Done, then: Done): Done {
  const known = new Set(first.map(({ operation }) => operation.id))
  const later = new Map(then.map((one) => [one.operation.id, one]))
  const done = first.map((one) => {
    const more = later.get(one.operation.id)
    if (!more || more.status === 'already') return one
    return {
      ...more,
      status: one.status === 'already' ? more.status : one.status,
      ...(one.found === undefined ? {} : { found: one.found }),
      commands: [...one.commands, ...more.commands],
    }
  })
  return [...done, ...then.filter(({ operation }) => !known.has(operation.id))]
}

function contradictory(done: Done): CnilabError {
  const wrong = done.filter(({ status }) => status === 'mended').map(({ operation }) => operation.expected)
  return new CnilabError('state', `these operations take something away from each other: ${wrong.join('; ')}`, {
    fix: 'leave one of them out',
  })
}
