import { setTimeout as sleep } from 'node:timers/promises'
import * as z from 'zod'
import type { AssertionOutcome, Test } from '../../assertions/assertion.ts'
import { type Assertion, bindAssertion } from '../../assertions/registry.ts'
import { CnilabError } from '../../errors.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import { call, startInternet, whileAnswering } from '../../kernel/packets.ts'
import { type Finding, NOT_TRIED } from '../../plan/finding.ts'
import { readJson } from '../../state/json.ts'
import { HOST, INTERNET, type State, UPLINK } from '../../state/state.ts'

/**
 * An nftables table in the internet's namespace that records who called with packets of this length, without any process.
 * The length distinguishes us from others who call at the same time.
 */
const whoCalled = (length: number) => `table ip who_called {
  set seen { type ipv4_addr; flags dynamic; timeout 1m; }
  chain input {
    type filter hook input priority filter; policy accept;
    icmp type echo-request ip length ${length} update @seen { ip saddr };
  }
}
`
const forget = 'add table ip who_called\ndelete table ip who_called\n'
/** The length of the IPv4 and ICMP headers of a ping, in bytes. */
const HEADERS = 28

/** How long to wait for an answer if one is expected, and if none is, in seconds. */
const PATIENT = { answer: 2, silence: 0.2 }
/** The same for a watcher, who will soon see it tried again. */
const IMPATIENT = { answer: 0.3, silence: 0.2 }

/** How long until a failed check that may wait is tried again, in milliseconds. */
const AGAIN = 200

/**
 * Tries an assertion, with real packets if it is about packets, and repeatedly if it says how long to wait. Skips what needs
 * the internet (`passed: null`) on the machine itself, whose uplink leads to the real one. Unless `patient`, tries only once,
 * and does not wait long for an answer.
 */
export async function assert(
  kernel: Kernel,
  assertion: Assertion,
  step: string,
  now: State,
  patient = true,
): Promise<Finding> {
  const { id, what, expected, why, test } = bindAssertion(assertion)
  const finding = { id, step, what, expected, why, fix: [], dependsOn: [] }
  if (needsInternet(test) && !now.has(INTERNET))
    return kernel.host.kind === 'machine'
      ? { ...finding, passed: null, actual: `${NOT_TRIED}: the virtual internet exists only in a sandbox` }
      : { ...finding, passed: false, actual: 'the internet of this sandbox is gone: cnilab lab reset brings it back' }
  const { not, wait } = assertion
  const patience = (patient ? PATIENT : IMPATIENT)[not ? 'silence' : 'answer']
  let end: number | undefined
  for (let state = now; ; state = test.by === 'state' ? await kernel.read() : now) {
    const found = await tryOnce(kernel, test, patience, state)
    const passed = found.tried !== false && found.holds !== not
    // The clock starts after the first try, which may itself take longer than the time to wait.
    end ??= performance.now() + (patient ? wait * 1000 : 0)
    if (passed || performance.now() >= end) return { ...finding, passed, actual: found.actual }
    await sleep(AGAIN)
  }
}

/** An outcome. If `tried` is false, nothing could be tried, so it counts neither for nor against the assertion. */
type Tried = AssertionOutcome & { tried?: false }

function tryOnce(kernel: Kernel, test: Test, seconds: number, now: State): Promise<Tried> {
  switch (test.by) {
    case 'state':
      return Promise.resolve(test.judge(now))
    case 'reading':
      return read(kernel, test.reading, now)
    case 'ping':
      return ping(kernel, test, seconds)
    case 'call':
      return askService(kernel, test, 2 * seconds, now)
    case 'seen':
      return seen(kernel, test)
  }
}

function needsInternet(test: Test): boolean {
  if (test.by === 'seen') return true
  if (test.by === 'ping') return test.to === UPLINK.gateway
  return test.by === 'call' && targetOf(test.call) === UPLINK.gateway
}

function targetOf(called: Extract<Test, { by: 'call' }>['call']): string {
  return called.protocol === 'dns' ? called.server : called.to
}

async function read(kernel: Kernel, reading: Extract<Test, { by: 'reading' }>['reading'], now: State): Promise<Tried> {
  const output = await kernel.probe(reading.argv, reading.netns)
  const found = reading.judge(output, now.get(reading.netns ?? HOST))
  return output.stderr.startsWith('nsenter: ') ? { ...found, tried: false } : found
}

/** Pings twice: if an earlier packet still waits for an unresolved neighbour, the first one is dropped with it. */
async function ping(kernel: Kernel, test: Extract<Test, { by: 'ping' }>, seconds: number): Promise<Tried> {
  if (seconds < 2 * PATIENT.silence) return pingOnce(kernel, test, seconds)
  const first = await pingOnce(kernel, test, seconds / 2)
  return first.holds || first.tried === false ? first : pingOnce(kernel, test, seconds / 2, seconds)
}

async function pingOnce(
  kernel: Kernel,
  { from, to }: Extract<Test, { by: 'ping' }>,
  seconds: number,
  inAll = seconds,
): Promise<Tried> {
  const { code, stdout, stderr } = await kernel.probe(['ping', '-n', '-c1', `-W${seconds}`, to], from)
  const time = /time=([\d.]+ ms)/.exec(stdout)?.[1]
  if (code === 0) return { holds: true, actual: `${to} answered${time === undefined ? '' : ` in ${time}`}` }
  const found = { holds: false, actual: firstLine(stderr) ?? `no answer within ${inAll} s` }
  // If ping was stopped, or could not even enter the namespace, the missing answer means nothing.
  return code === undefined || stderr.startsWith('nsenter: ') ? { ...found, tried: false } : found
}

function firstLine(text: string): string | undefined {
  const line =
    text
      .split('\n')[0]
      ?.trim()
      .replace(/^ping: /, '') ?? ''
  return line === '' ? undefined : line
}

async function askService(
  kernel: Kernel,
  { from, call: what, listen, judge }: Extract<Test, { by: 'call' }>,
  seconds: number,
  now: State,
): Promise<Tried> {
  const ask = async (): Promise<Tried> => {
    try {
      return judge(await call(kernel, from, what, seconds))
    } catch (error) {
      if (error instanceof CnilabError && error.kind === 'state')
        return { holds: false, actual: error.message, tried: false }
      throw error
    }
  }
  const target = targetOf(what)
  if (target === UPLINK.gateway) {
    await startInternet(kernel.host)
    return ask()
  }
  const netns = listen && what.protocol !== 'dns' ? whereIs(now, target) : undefined
  if (netns === undefined || what.protocol === 'dns') return ask()
  return whileAnswering(kernel.host, netns === HOST ? undefined : netns, `${what.protocol}:${what.port}`, ask)
}

/** The namespace that has an address. */
function whereIs(now: State, target: string): string | undefined {
  const has = (name: string) =>
    now.get(name)?.links.some(({ addresses }) => addresses.some(({ address }) => address === target)) === true
  return [...now.keys()].find(has)
}

/** Calls the internet with a ping, which needs no program at the other end, and reads who it saw. */
async function seen(kernel: Kernel, { from, as }: Extract<Test, { by: 'seen' }>): Promise<Tried> {
  const { randomInt } = await import('node:crypto') // slow to load
  const size = randomInt(64, 1300)
  await kernel.probe(['nft', '-f', '-'], INTERNET, forget + whoCalled(size + HEADERS))
  await kernel.probe(['ping', '-n', '-c1', `-s${size}`, `-W${PATIENT.silence}`, UPLINK.gateway], from)
  const { code, stdout } = await kernel.probe(['nft', '-j', 'list', 'set', 'ip', 'who_called', 'seen'], INTERNET)
  const callers = code === 0 ? parseCallers(stdout) : []
  const found = {
    holds: callers.includes(as),
    actual: callers.length === 0 ? 'nobody called' : callers.join(', '),
  }
  return code === 0 ? found : { ...found, tried: false }
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
  return readJson('nft -j list set ip who_called seen', json, setSchema).nftables.flatMap(({ set }) =>
    (set?.elem ?? []).map((e) => (typeof e === 'string' ? e : e.elem.val)),
  )
}
