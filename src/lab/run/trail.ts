import * as z from 'zod'
import type { Kernel } from '../../kernel/kernel.ts'
import { readJson } from '../../state/json.ts'
import { HOST, INTERNET, type Link, type State } from '../../state/state.ts'
import { type CableEnd, otherEnd } from '../../state/topology.ts'

/** The size of the ping by which it is known on its way, in bytes: what else passes meanwhile is smaller. */
const SIZE = 1100

const countersSchema = z.array(
  z.looseObject({
    ifname: z.string(),
    stats64: z.looseObject({ rx: z.looseObject({ bytes: z.number() }), tx: z.looseObject({ bytes: z.number() }) }),
  }),
)

/** How many bytes an interface has received and sent, by namespace and name. */
type Counters = Map<string, { rx: number; tx: number }>

const keyOf = (netns: string, ifname: string) => `${netns} ${ifname}`

async function count(kernel: Kernel, places: readonly string[]): Promise<Counters> {
  const read = async (place: string) => {
    const { code, stdout } = await kernel.probe(['ip', '-j', '-s', 'link'], place === HOST ? undefined : place)
    const all = code === 0 ? readJson('ip -j -s link', stdout || '[]', countersSchema) : []
    return all.map(({ ifname, stats64: { rx, tx } }) => [keyOf(place, ifname), { rx: rx.bytes, tx: tx.bytes }] as const)
  }
  return new Map((await Promise.all(places.map(read))).flat())
}

/**
 * Sends a ping, and tells by the counters of all interfaces how far it came, and its answer: `left red by eth0`, `came in on
 * the host by veth-b`. Undefined where nothing can be said.
 */
export async function trailOf(
  kernel: Kernel,
  { from = HOST, to }: { from?: string | undefined; to: string },
  now: State,
): Promise<string | undefined> {
  const places = [...now.keys()]
  const before = await count(kernel, places)
  const { code } = await kernel.probe(['ping', '-n', '-c1', '-W0.3', `-s${SIZE}`, to], from === HOST ? undefined : from)
  if (code === 0) return undefined // what does not pass is something else
  const after = await count(kernel, places)
  const passed = ({ netns, link: { name } }: CableEnd, way: 'rx' | 'tx') =>
    (after.get(keyOf(netns, name))?.[way] ?? 0) - (before.get(keyOf(netns, name))?.[way] ?? 0) >= SIZE
  const out = follow(from, now, passed)
  const place = inWords(from)
  if (out.words.length === 0) {
    const { stdout } = await kernel.probe(['ip', 'neighbour', 'show'], from === HOST ? undefined : from)
    const [, unknown] = /^(\S+) .*(?:FAILED|INCOMPLETE)/m.exec(stdout) ?? []
    return unknown === undefined
      ? `the packet did not leave ${place}`
      : `the packet did not leave ${place}: nobody there answered the question who has ${unknown} (ARP)`
  }
  const back = out.end ? follow(out.end.netns, now, passed, out.end.link.name) : { words: [] }
  const answer =
    back.words.length === 0
      ? 'no answer left from there'
      : `an answer ${joined(back.words)}, and was not seen any further`
  return `the packet ${joined(out.words)}; ${answer}`
}

const joined = (words: readonly string[]) => words.join(', ')
const inWords = (netns: string) => (netns === HOST ? 'the host' : netns === INTERNET ? 'the internet' : netns)

type Passed = (end: CableEnd, way: 'rx' | 'tx') => boolean

/** Where a packet passed that was sent in a namespace, in words; `end` is where it came in last. With `by`, by that interface. */
function follow(netns: string, now: State, passed: Passed, by?: string): { words: string[]; end?: CableEnd } {
  const words: string[] = []
  let place = netns
  let end: CableEnd | undefined
  const seen = new Set<string>()
  const isNew = ({ netns: at, link }: CableEnd) => !seen.has(keyOf(at, link.name))
  const endsIn = (links: readonly Link[]) => links.map((link) => ({ netns: place, link }))
  for (let only = by; ; only = undefined) {
    const all = now.get(place)?.links ?? []
    const sent = endsIn(all)
      .filter(({ link }) => link.name !== 'lo' && (only === undefined || link.name === only))
      .filter((one) => isNew(one) && passed(one, 'tx'))
    // What a bridge sends leaves by one of its ports.
    const [first] = sent.filter(({ link }) => link.kind === 'bridge').concat(sent)
    if (!first) break
    const port =
      first.link.kind === 'bridge'
        ? endsIn(all).find((one) => one.link.master === first.link.name && isNew(one) && passed(one, 'tx'))
        : undefined
    words.push(`left ${inWords(place)} by ${first.link.name}${port ? ` and ${port.link.name}` : ''}`)
    for (const one of [first, ...(port ? [port] : [])]) seen.add(keyOf(place, one.link.name))
    const far = otherEnd(now, port ?? first)
    if (!far || !passed(far, 'rx')) break
    place = far.netns
    seen.add(keyOf(place, far.link.name))
    const bridge = now.get(place)?.links.find(({ name }) => name === far.link.master)
    const isTaken = bridge && passed({ netns: place, link: bridge }, 'rx')
    words.push(
      `came ${place === HOST || place === INTERNET ? 'in on' : 'into'} ${inWords(place)} by ${far.link.name}${isTaken ? ` and ${bridge.name}` : ''}`,
    )
    if (isTaken) seen.add(keyOf(place, bridge.name))
    end = { netns: place, link: isTaken ? bridge : far.link }
  }
  return end ? { words, end } : { words }
}
