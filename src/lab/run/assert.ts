import { setTimeout as sleep } from 'node:timers/promises'
import type { AssertionOutcome, Test } from '../../assertions/assertion.ts'
import { type Assertion, bindAssertion } from '../../assertions/registry.ts'
import { CnilabError } from '../../errors.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import { call, startInternet, whileAnswering } from '../../kernel/packets.ts'
import { type Finding, NOT_TRIED } from '../../plan/finding.ts'
import { HOST, INTERNET, type State, UPLINK } from '../../state/state.ts'
import { callersOf } from './callers.ts'
import { tryProof } from './prove.ts'
import { lossOf } from './thorough.ts'

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

/** Whether all of these hold now; none of them waits for long. */
export async function allHold(kernel: Kernel, claims: readonly Assertion[], now: State): Promise<boolean> {
  for (const claim of claims) if ((await assert(kernel, claim, '', now, false)).passed !== true) return false
  return true
}

/** An outcome. If `tried` is false, nothing could be tried, so it counts neither for nor against the assertion. */
type Tried = AssertionOutcome & { tried?: false }

function tryOnce(kernel: Kernel, test: Test, seconds: number, now: State): Promise<Tried> {
  switch (test.by) {
    case 'state':
      return look(kernel, test, now)
    case 'reading':
      return read(kernel, test, now)
    case 'ping':
      return ping(kernel, test, seconds, now)
    case 'call':
      return askService(kernel, test, 2 * seconds, now)
    case 'seen':
      return seen(kernel, test)
  }
}

async function look(kernel: Kernel, test: Extract<Test, { by: 'state' }>, now: State): Promise<Tried> {
  const found = test.judge(now)
  const effect = found.holds ? undefined : await tryProof(kernel, test.proof, now)
  return effect ? { holds: effect.isThere, actual: effect.actual } : found
}

/** Whether a test is only about what is at the other end of the uplink. */
export function needsInternet(test: Test): boolean {
  if (test.by === 'seen') return true
  if (test.by === 'ping') return test.to === UPLINK.gateway
  return test.by === 'call' && targetOf(test.call) === UPLINK.gateway
}

/** Whether an assertion calls the program that answers in the internet, which takes its time to start. */
export function callsInternet(assertion: Assertion): boolean {
  const { test } = bindAssertion(assertion)
  return needsInternet(test) && (test.by === 'call' || (test.by === 'ping' && test.packets === 'all'))
}

function targetOf(called: Extract<Test, { by: 'call' }>['call']): string {
  return called.protocol === 'dns' ? called.server : called.to
}

async function read(kernel: Kernel, { reading, proof }: Extract<Test, { by: 'reading' }>, now: State): Promise<Tried> {
  const output = await kernel.probe(reading.argv, reading.netns)
  const found = reading.judge(output, now.get(reading.netns ?? HOST))
  if (output.stderr.startsWith('nsenter: ')) return { ...found, tried: false }
  const effect = found.holds ? undefined : await tryProof(kernel, proof?.(now), now)
  return effect ? { holds: effect.isThere, actual: effect.actual } : found
}

/**
 * Pings twice: if an earlier packet still waits for an unresolved neighbour, the first one is dropped with it. Also tries
 * what else must pass.
 */
async function ping(kernel: Kernel, test: Extract<Test, { by: 'ping' }>, seconds: number, now: State): Promise<Tried> {
  const { from, to, packets } = test
  // Side by side: what else there is to try takes its time to start.
  const [small, loss] = await Promise.all([
    pingTwice(kernel, test, seconds),
    packets === 'small' ? undefined : lossOf(kernel, { from, to, packets }, seconds / 2, now),
  ])
  return small.holds && loss !== undefined ? { holds: false, actual: loss } : small
}

async function pingTwice(kernel: Kernel, test: Extract<Test, { by: 'ping' }>, seconds: number): Promise<Tried> {
  const isShort = seconds < 2 * PATIENT.silence
  const first = await pingOnce(kernel, test, isShort ? seconds : seconds / 2, seconds)
  return isShort || first.holds || first.tried === false ? first : pingOnce(kernel, test, seconds / 2, seconds)
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
  const why = firstLine(stderr)
  const actual = why === undefined ? `${to} gives no answer within ${inAll} s` : `the ping was not sent: ${why}`
  const found = { holds: false, actual }
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

/** Who the internet sees when a namespace calls it. */
async function seen(kernel: Kernel, { from, as }: Extract<Test, { by: 'seen' }>): Promise<Tried> {
  const callers = await callersOf(kernel, [from], PATIENT.silence)
  if (!callers) return { holds: false, actual: 'who calls the internet could not be read', tried: false }
  return {
    holds: callers.includes(as),
    actual:
      callers.length === 0
        ? `the internet does not see ${from}: nobody called`
        : `the internet sees ${from} as ${callers.join(' and ')}`,
  }
}
