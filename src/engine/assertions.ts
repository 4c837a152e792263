import * as z from 'zod'
import type { Kernel } from '../kernel/kernel.ts'
import type { Assertion } from '../lab/schema.ts'
import type { Finding } from '../plan/finding.ts'
import { HOST, INTERNET, type State, UPLINK } from '../state/state.ts'

/** A table in the internet's namespace that remembers who called: an nftables set, and so no process at all. */
const WHO_CALLED = `table ip who_called {
  set seen { type ipv4_addr; flags dynamic; timeout 1m; }
  chain input { type filter hook input priority filter; policy accept; update @seen { ip saddr }; }
}
`
const forget = 'add table ip who_called\ndelete table ip who_called\n'

/** How long a ping waits when an answer is expected, and when none is, in seconds. */
const PATIENCE = { answer: '2', silence: '0.2' }

/**
 * Tries an assertion with real packets. What needs the internet is skipped (`passed: null`) on the machine itself,
 * whose uplink leads to the real one.
 */
export async function assert(kernel: Kernel, assertion: Assertion, step: string, now: State): Promise<Finding> {
  if ('ping' in assertion) return ping(kernel, assertion.ping, true, step, now)
  if ('not' in assertion) return ping(kernel, assertion.not.ping, false, step, now)
  return seen(kernel, assertion.seen, step, now)
}

async function ping(
  kernel: Kernel,
  { from, to }: { from: string; to: string },
  wanted: boolean,
  step: string,
  now: State,
): Promise<Finding> {
  const finding = {
    id: `${wanted ? 'ping' : 'no-answer'}.${from}.${to}`,
    step,
    what: wanted ? `${from} reaches ${to}` : `${from} does not reach ${to} yet`,
    expected: wanted ? `${to} answers a ping from ${from}` : 'no answer',
    why: wanted
      ? 'An answer means that the packet found its way there and that the reply found its way back.'
      : 'What this step adds is still missing.',
    fix: [],
    dependsOn: [],
  }
  if (to === UPLINK.gateway && !now.has(INTERNET))
    return { ...finding, passed: null, actual: 'not tried: the virtual internet exists in a sandbox only' }
  const wait = wanted ? PATIENCE.answer : PATIENCE.silence
  const { code, stdout, stderr } = await kernel.probe(
    ['ping', '-n', '-c1', `-W${wait}`, to],
    from === HOST ? undefined : from,
  )
  const answered = code === 0
  const time = /time=([\d.]+ ms)/.exec(stdout)?.[1]
  const actual = answered
    ? `${to} answered${time === undefined ? '' : ` in ${time}`}`
    : (firstLine(stderr) ?? `no answer within ${wait} s`)
  // Where ping was stopped, or could not even enter the namespace, that nothing answered says nothing.
  const hasRun = code !== undefined && !stderr.startsWith('nsenter: ')
  return { ...finding, passed: hasRun && answered === wanted, actual }
}

function firstLine(text: string): string | undefined {
  const line =
    text
      .split('\n')[0]
      ?.trim()
      .replace(/^ping: /, '') ?? ''
  return line === '' ? undefined : line
}

async function seen(
  kernel: Kernel,
  { from, as }: { from: string; as: string },
  step: string,
  now: State,
): Promise<Finding> {
  const finding = {
    id: `seen.${from}.${as}`,
    step,
    what: `The internet sees ${from} as ${as}`,
    expected: as,
    why: "After masquerading, the sender's address is the host's own: the only one that the internet can answer to.",
    fix: [],
    dependsOn: [`ping.${from}.${UPLINK.gateway}`],
  }
  if (!now.has(INTERNET))
    return { ...finding, passed: null, actual: 'not tried: the virtual internet exists in a sandbox only' }
  await kernel.probe(['nft', '-f', '-'], INTERNET, forget + WHO_CALLED)
  await kernel.probe(['ping', '-n', '-c1', `-W${PATIENCE.answer}`, UPLINK.gateway], from)
  const { stdout } = await kernel.probe(['nft', '-j', 'list', 'set', 'ip', 'who_called', 'seen'], INTERNET)
  const callers = parseCallers(stdout)
  return {
    ...finding,
    passed: callers.includes(as),
    actual: callers.length === 0 ? 'nobody called' : callers.join(', '),
  }
}

const setSchema = z.object({
  nftables: z.array(
    z.looseObject({
      set: z
        .looseObject({
          elem: z.array(z.union([z.string(), z.object({ elem: z.object({ val: z.string() }) })])).default([]),
        })
        .optional(),
    }),
  ),
})

/** The addresses in `nft -j list set` (libnftables-json(5)). */
function parseCallers(json: string): string[] {
  const parsed = json === '' ? undefined : setSchema.safeParse(JSON.parse(json))
  return (parsed?.data?.nftables ?? []).flatMap(({ set }) =>
    (set?.elem ?? []).map((e) => (typeof e === 'string' ? e : e.elem.val)),
  )
}
