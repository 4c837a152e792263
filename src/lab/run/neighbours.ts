import { setTimeout as sleep } from 'node:timers/promises'
import * as z from 'zod'
import { bindAssertion } from '../../assertions/registry.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import { readJson } from '../../state/json.ts'
import { HOST, INTERNET, type State } from '../../state/state.ts'
import type { Runnable } from '../format/lab.ts'

/** How long a neighbour has to answer, in seconds, and how often we look meanwhile. */
const [PATIENCE, IMPATIENCE, AGAIN] = [1, 0.3, 0.02]

/** The states of an entry whose MAC address the kernel uses without asking for it first. */
const KNOWN = ['REACHABLE', 'STALE', 'DELAY']
/** The state of one that it is asking for again. */
const ASKED = 'PROBE'

const neighboursSchema = z.array(
  z.looseObject({ dst: z.string(), dev: z.string().default(''), state: z.array(z.string()).default([]) }),
)
type Neighbour = z.infer<typeof neighboursSchema>[number]

/**
 * Has the kernel ask again for the MAC addresses that it has learned where a lab's packets pass, and forget those for which
 * nobody answers: an entry that outlives the way on which it was learned lets packets pass for a while yet, and a check with
 * packets would tell what was. What was entered by hand stays. Changes nothing on the machine itself.
 */
export async function renewNeighbours(
  kernel: Kernel,
  lab: Pick<Runnable, 'steps'>,
  now: State,
  patient: boolean,
): Promise<void> {
  if (kernel.host.kind === 'machine') return
  const before = await knownIn(kernel, placesOf(lab, now))
  if ([...before.values()].every((known) => known.length === 0)) return
  await Promise.all([...before].map(([place, known]) => change(kernel, place, known, 'change', 'nud', 'probe')))
  const end = performance.now() + (patient ? PATIENCE : IMPATIENCE) * 1000
  let after = await knownIn(kernel, before.keys(), [...KNOWN, ASKED])
  while ([...after.values()].flat().some(isAsked) && performance.now() < end) {
    await sleep(AGAIN * 1000)
    after = await knownIn(kernel, before.keys(), [...KNOWN, ASKED])
  }
  // Who is asked learns of who asks, which nobody may have known.
  const isOurs = (place: string, { dst }: Neighbour) =>
    before.get(place)?.some((one) => one.dst === dst) !== true &&
    [...before].some(([asker, asked]) => has(now, asker, dst) && asked.some((one) => has(now, place, one.dst)))
  const tidy = ([place, known]: [string, Neighbour[]]) => {
    const wrong = known.filter((one) => isAsked(one) || isOurs(place, one))
    return change(kernel, place, wrong, 'delete')
  }
  await Promise.all([...after].map(tidy))
}

const isAsked = ({ state }: Neighbour) => state.includes(ASKED)

function has(now: State, place: string, address: string): boolean {
  return now.get(place)?.links.some((link) => link.addresses.some((one) => one.address === address)) === true
}

/** The namespaces that a lab's packets are sent from, those that have the addresses they are sent to, the host and the internet. */
function placesOf({ steps }: Pick<Runnable, 'steps'>, now: State): Set<string> {
  const tests = steps.flatMap(({ checks = [] }) => checks).map((check) => bindAssertion(check).test)
  const senders = tests.flatMap((test) => ('from' in test ? [test.from ?? HOST] : []))
  if (senders.length === 0) return new Set()
  const receivers = tests.flatMap((test) => (test.by === 'ping' ? [test.to] : []))
  const owners = [...now.keys()].filter((name) => receivers.some((address) => has(now, name, address)))
  return new Set([...senders, ...owners, HOST, INTERNET].filter((name) => now.has(name)))
}

/** What is known in each of some places: the entries in some states. */
async function knownIn(
  kernel: Kernel,
  places: Iterable<string>,
  states: readonly string[] = KNOWN,
): Promise<Map<string, Neighbour[]>> {
  const read = async (place: string) => {
    const { code, stdout } = await kernel.probe(['ip', '-j', 'neighbour', 'show'], inPlace(place))
    const all = code === 0 ? readJson('ip -j neighbour show', stdout || '[]', neighboursSchema) : []
    return [place, all.filter(({ state }) => state.some((one) => states.includes(one)))] as const
  }
  return new Map(await Promise.all([...places].map(read)))
}

const inPlace = (place: string) => (place === HOST ? undefined : place)

/** Changes entries; what happened to them meanwhile does not matter. A batch cannot name interfaces with such characters. */
async function change(
  kernel: Kernel,
  place: string,
  neighbours: readonly Neighbour[],
  action: 'change' | 'delete',
  ...state: readonly string[]
): Promise<void> {
  if (neighbours.length === 0) return
  const lines = neighbours
    .filter(({ dst, dev }) => !/["'#\\\s]/.test(dst + dev))
    .map(({ dst, dev }) => ['neighbour', action, dst, 'dev', dev, ...state].join(' '))
  await kernel.probe(['ip', '-force', '-batch', '-'], inPlace(place), lines.join('\n'))
}
