import * as fc from 'fast-check'
import { assertionKinds, type Claim, bindAssertion, parseClaim } from '../../src/assertions/registry.ts'
import { assert } from '../../src/lab/run/assert.ts'
import { CnilabError } from '../../src/errors.ts'
import { MACHINE } from '../../src/kernel/host.ts'
import type { Kernel } from '../../src/kernel/kernel.ts'
import { isOfDead, ownMark } from '../../src/kernel/process-mark.ts'
import { bindOperation, kinds, parseOperation } from '../../src/operations/registry.ts'
import { answer, readAnswer } from '../../src/packets/dns.ts'
import { describe, diff, summarize } from '../../src/state/diff.ts'
import { parseNetnsIds, parseRouted, parseSysctls, parseVlans } from '../../src/state/parse.ts'
import { parseRuleset } from '../../src/state/parse-ruleset.ts'
import { rulesetLines } from '../../src/state/ruleset-lines.ts'
import { HOST, INTERNET, type Namespace, type State } from '../../src/state/state.ts'
import { ambiguous } from '../../src/state/topology.ts'
import { picture } from '../../src/picture/topology.ts'
import { mostly, text } from './arbitraries.ts'
import { fuzz } from './fuzz.ts'
import { alone } from './operations.ts'
import * as outputs from './outputs.ts'

/** What `act` returns; undefined where it refuses in words of its own what was printed. */
function unlessRefused<T>(act: () => T): T | undefined {
  try {
    return act()
  } catch (error) {
    if (error instanceof CnilabError && error.kind === 'state') return undefined
    throw error
  }
}

/** Undefined where the parameters themselves are refused, which is for others to try. */
function accepted<T>(act: () => T): T | undefined {
  try {
    return act()
  } catch {
    return undefined
  }
}

const operation = alone(kinds).map(([kind, params]) => accepted(() => bindOperation(parseOperation(kind, params))))
const claim = alone(assertionKinds)
  .map(([kind, params]) => accepted(() => parseClaim(kind, params)))
  .filter((one): one is Claim => one !== undefined)

const documents = fc.tuple(outputs.ipAddress, outputs.ipRoute, outputs.ipNetconf)
const network = fc.record({
  names: fc.uniqueArray(mostly(fc.constantFrom('red', INTERNET, 'a: nft {', '__proto__'), text, 10), { maxLength: 2 }),
  host: documents,
  inner: documents,
  vlans: mostly(fc.constant('[]'), outputs.bridgeVlan, 3),
  rules: outputs.nftRuleset,
  ids: mostly(fc.constant('[]'), outputs.netnsIds, 3),
  sysctls: outputs.sysctls,
})

function stateOf({
  names,
  host,
  inner,
  vlans,
  rules,
  ids,
  sysctls,
}: typeof network extends fc.Arbitrary<infer T> ? T : never): State {
  const nowhere = { inode: 0, since: 0 }
  const { links, ...routed } = parseRouted(host)
  const ports = parseVlans(vlans)
  const own = {
    ...nowhere,
    ...routed,
    links: links.map((link) => ({ ...link, vlans: ports.get(link.name) ?? [] })),
    rules: parseRuleset(rules),
    sysctls: parseSysctls(sysctls),
  }
  const netnsIds = parseNetnsIds(ids)
  const others = names.map(
    (name) => [name, { ...parseRouted(inner), ...nowhere, rules: [], sysctls: {}, netnsIds }] as const,
  )
  return new Map<string, Namespace>([[HOST, own], ...others])
}

fuzz(
  'what ip, nft, bridge and sysctl print is read, or refused in words',
  6,
  fc.record({ network, operation, claim }),
  ({ network: made, operation: bound, claim: claimed }) => {
    const state = unlessRefused(() => stateOf(made))
    if (!state) return 'refused'
    for (const plain of [true, false]) picture(state, plain)
    ambiguous(state)
    describe(state)
    if (diff(summarize(state), summarize(state)).gone.length > 0) throw new Error('it differs from itself')
    if (bound) {
      bound.judge(state)
      bound.undo({ value: '1', inode: 1, intended: 1 }, state)
      bound.users(state)
    }
    const { test } = bindAssertion({ claim: claimed, not: false, wait: 0 })
    if (test.by === 'state') test.judge(state)
    return 'read'
  },
)

fuzz('what nft lists becomes lines', 1, outputs.nftText, (listed) => `${rulesetLines(listed).length > 0}`)

const finished = fc.record({
  code: mostly(fc.constant(0), fc.constantFrom(undefined, 1, 127, NaN, -1), 3),
  signal: fc.constant(undefined),
  stdout: fc.oneof(
    outputs.ipNeighbour,
    outputs.nftRuleset,
    outputs.anything,
    fc.constantFrom('{"ok":true,"detail":"you are 10.22.0.1"}', '{"ok":true,"detail":"x","status":200}', 'time=1 ms'),
  ),
  stderr: mostly(text, fc.constantFrom('nsenter: x', 'ping: x'), 5),
})
const bare: State = new Map([[HOST, { ...parseRouted([]), inode: 0, since: 0, rules: [], sysctls: {} }]])

fuzz(
  'a check finds something, or says why not, whatever the programs print that it runs',
  3,
  fc.record({ claim, finished, not: fc.boolean() }),
  async ({ claim: claimed, finished: came, not }) => {
    const kernel: Kernel = {
      host: MACHINE,
      run: () => Promise.resolve(),
      read: () => Promise.resolve(bare),
      probe: () => Promise.resolve(came),
    }
    const now = new Map([...bare, [INTERNET, undefined]])
    try {
      const { passed, actual } = await assert(kernel, { claim: claimed, not, wait: 0 }, 'step', now, false)
      if (typeof actual !== 'string') throw new Error(`it found ${JSON.stringify(actual)}`)
      return passed === true ? 'passed' : 'failed'
    } catch (error) {
      if (error instanceof CnilabError && error.kind === 'state') return 'refused'
      throw error
    }
  },
)

/** A DNS message, as whoever answers may send it: some header, and pieces of names and records. */
const pieces = fc.oneof(
  fc.constantFrom([0], [0xc0, 12], [0x40], [3, 97, 98, 99, 0], [0, 1, 0, 1], [0, 0, 0, 0, 0, 4, 10, 0, 0, 1], [63]),
  fc.uint8Array({ maxLength: 8 }).map((all) => [...all]),
)
const header = fc.oneof(
  fc.constantFrom(
    [0x01, 0, 0, 1, 0, 0, 0, 0, 0, 0],
    [0x84, 0, 0, 1, 0, 1, 0, 0, 0, 0],
    [0x84, 0, 0, 1, 0xff, 0xff, 0, 0, 0, 0],
  ),
  fc.array(fc.constantFrom(0, 0, 1, 2, 0x84, 0x80, 0xff), { minLength: 7, maxLength: 10 }),
)
const QUESTION = [1, 97, 0, 0, 1, 0, 1]
const RECORD = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 10, 0, 0, 1]
const message = fc
  .tuple(
    header,
    mostly<readonly (readonly number[])[]>(fc.constant([QUESTION, RECORD]), fc.array(pieces, { maxLength: 8 }), 1),
    fc.array(pieces, { maxLength: 2 }),
  )
  .map(([first, body, more]) => Buffer.from([0, 1, ...first, ...body.flat(), ...more.flat()]))

fuzz('a DNS message is answered or left, and an answer is read or refused', 2, message, (sent) => {
  const answered = answer(sent, (name) => (name.startsWith('a') ? '10.0.0.1' : name === '' ? '' : undefined))
  if (answered && answered.length > sent.length + 16) throw new Error(`${answered.length} bytes for ${sent.length}`)
  const read = readAnswer(sent, 1)
  if (read && 'address' in read && !/^\d+\.\d+\.\d+\.\d+$/.test(read.address))
    throw new Error(`it reads ${read.address}`)
  return read === undefined ? 'no answer' : 'address' in read ? 'an address' : 'a refusal'
})

const mark = fc.oneof(
  text,
  fc.tuple(fc.nat(), fc.nat(), fc.nat()).map((numbers) => numbers.join('-')),
  text.map((odd) => `${odd}-1-${odd}`),
  fc.tuple(fc.nat(99), text).map(([pid, odd]) => `${ownMark().split('-')[0]}-${pid}-${odd}`),
)

fuzz("a process's mark is that of one that has ended, or not", 1, mark, (made) => String(isOfDead(made)))
