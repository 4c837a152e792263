import * as fc from 'fast-check'
import { stringify } from 'yaml'
import * as z from 'zod'
import { type Assertion, assertionKinds, deriveAssertion, parseClaim } from '../../src/assertions/registry.ts'
import { CnilabError } from '../../src/errors.ts'
import type { Lab } from '../../src/lab/lab.ts'
import { parseLab } from '../../src/lab/parse.ts'
import { HOST_PID } from '../../src/operations/operation.ts'
import { derive, kinds, type Operation, parseOperation } from '../../src/operations/registry.ts'
import { toScript } from '../../src/plan/script.ts'
import { HOST, type State } from '../../src/state/state.ts'
import { mostly, mutated, objectOf, text } from './arbitraries.ts'
import { fuzz } from './fuzz.ts'
import { alone, paramsOf } from './operations.ts'
import { expectClean } from './invariants.ts'

/** An item of each of some kinds. */
function items(all: Readonly<Record<string, { params: z.ZodType }>>): fc.Arbitrary<unknown> {
  return fc.oneof(...Object.entries(all).map(([kind, { params }]) => fc.record({ [kind]: paramsOf(kind, params) })))
}

const digits = (most: number) => fc.nat(most).map(String)
const operation = fc
  .tuple(items(kinds), fc.option(mostly(fc.constantFrom('1', '2', '${i}', '1023'), text), { freq: 5, nil: undefined }))
  .map(([item, repeat]): unknown =>
    repeat === undefined
      ? item
      : { ...JSON.parse(JSON.stringify(item).replaceAll('red', 'c${i}').replaceAll('veth-a', 'v${i}')), repeat },
  )
const plainCheck = items(assertionKinds)
const check = fc.oneof(
  plainCheck,
  plainCheck.map((one) => ({ not: one })),
  plainCheck.map((one) => ({ ...Object(one), wait: '5' })),
)
const some = (item: fc.Arbitrary<unknown>) => fc.array(item, { maxLength: 3 })
const plain = fc.constantFrom('A few *words*, and `code`.', '${subnet} is the subnet.', '- a\n- list', '> quoted')
const words = mostly<unknown>(fc.oneof(plain, fc.record({ en: plain, ko: plain })), text)
const title = mostly<unknown>(fc.constantFrom('A title', '${a}'), text)
const word = mostly(fc.constantFrom('ping', '-c1', '${subnet[1]}', 'red', 'eth0'), text, 50)
const command = objectOf(
  { argv: fc.array(word, { minLength: 1, maxLength: 3 }), netns: fc.constantFrom('red', '${a}') },
  ['argv'],
)

const step = objectOf({
  more: words,
  before: some(check),
  checks: some(check),
  run: some(command),
  hints: some(words),
  when: some(
    objectOf({ finding: fc.constantFrom('*', '*.*', 'ping.*'), actual: text, text: words }, ['finding', 'text']),
  ),
  questions: some(
    objectOf(
      {
        ask: words,
        choices: fc.array(title, { minLength: 2, maxLength: 3 }),
        answer: fc.constantFrom('1', '2'),
        why: words,
        try: command,
      },
      ['ask', 'choices', 'answer', 'why'],
    ),
  ),
  focus: some(word),
})
const parameter = objectOf(
  {
    type: fc.constantFrom('netns', 'interface', 'subnet', 'address', 'number'),
    default: text,
    text: words,
    in: text,
    min: digits(9),
    max: digits(99),
  },
  ['type', 'default', 'text'],
)
const lab = fc
  .tuple(
    objectOf({
      order: digits(9),
      start: some(operation),
      learned: words,
      links: some(objectOf({ title, url: fc.constant('https://example.org') }, ['title', 'url'])),
    }),
    mostly(fc.constant({}), fc.dictionary(text, parameter, { maxKeys: 2 })),
    fc.array(
      fc.tuple(step, fc.array(operation, { minLength: 1, maxLength: 3 }), fc.constantFrom('operations', 'solution')),
      {
        minLength: 1,
        maxLength: 3,
      },
    ),
  )
  .map(([own, more, steps]) => ({
    version: '1',
    id: 'made-up',
    title: 'Made up',
    text: 'Made up.',
    parameters: {
      a: { type: 'netns', default: 'red', text: 'a' },
      subnet: { type: 'subnet', default: '10.22.0.0/16', text: 'b' },
      ...more,
    },
    ...own,
    steps: steps.map(([others, operations, key], i) => ({
      id: `s${i}`,
      title: 'A step',
      text: 'A step.',
      [key]: operations,
      ...others,
      ...(key === 'solution' ? { checks: [{ netns: { name: 'red' } }] } : {}),
    })),
  }))

const yaml = fc.oneof(
  { weight: 4, arbitrary: mutated(lab.map((one) => stringify(one))) },
  { weight: 8, arbitrary: mutated(lab.map((one) => JSON.stringify(one))) },
  { weight: 1, arbitrary: fc.array(text, { maxLength: 30 }).map((pieces) => pieces.join('')) },
)
const set = mostly(fc.constant({}), fc.dictionary(fc.constantFrom('a', 'subnet', '__proto__'), text))

const empty = {
  inode: 0,
  since: 0,
  links: [],
  routes: [],
  policyRoutes: [],
  forwarding: { inet: {}, inet6: {} },
  rules: [],
  sysctls: {},
}
const bare: State = new Map([[HOST, empty]])

fuzz(
  'a lab is read, or a mistake in it is named with its place',
  12,
  fc.record({ yaml, set }),
  ({ yaml: source, set: values }) => {
    let read: Lab
    try {
      read = parseLab(source, 'x.yaml', values, 'ko')
    } catch (error) {
      if (!(error instanceof CnilabError) || error.kind !== 'usage') throw error
      if (!/^(x\.yaml:\d+:\d+: |parameter |this lab has no parameter )/.test(error.message)) throw error
      return 'refused'
    }
    const operations = [...read.start, ...read.steps.flatMap((one) => one.operations)]
    for (const one of operations) expectSound(one)
    for (const { before, checks } of read.steps) for (const one of [...before, ...checks]) expectSoundCheck(one)
    const script = toScript(
      read.title,
      read.steps.map(({ title, operations: own }) => ({
        title,
        commands: own.map(derive).flatMap(({ apply }) => apply),
      })),
    )
    expectClean(script)
    // A title is a comment, and a command one line, whatever they hold.
    const isKnown = /^(#|set -eu$|PATH=|mkdir -p |ip |nft |sysctl |bridge |tc |nsenter |$)/
    for (const line of script.split('\n')) if (!isKnown.test(line)) throw new Error(`a line of the script is ${line}`)
    return operations.length > 0 ? 'read, with operations' : 'read'
  },
)

fuzz('an operation that is accepted is sound', 6, alone(kinds), ([kind, params]) => {
  try {
    expectSound(parseOperation(kind, params))
    return 'accepted'
  } catch (error) {
    if (error instanceof z.ZodError) return 'refused'
    throw error
  }
})

fuzz('a check that is accepted is sound', 4, alone(assertionKinds), ([kind, params]) => {
  try {
    expectSoundCheck({ claim: parseClaim(kind, params), not: false, wait: 0 })
    return 'accepted'
  } catch (error) {
    if (error instanceof z.ZodError) return 'refused'
    throw error
  }
})

/** What a check says, and whom it calls. */
function expectSoundCheck(assertion: Assertion): void {
  const { id, what, expected, test } = deriveAssertion(assertion)
  expectClean([id, what, expected].join('\n'))
  if (test.by === 'state') expectClean(test.judge(bare).actual)
  if (test.by === 'reading' && test.reading.argv.some((word) => word.includes('\0'))) throw new Error('a NUL character')
}

/** What a lab may ask for, every member of its kind can bear, and the tools that run in batches read as it is meant. */
function expectSound(operation: Operation): void {
  const { id, explain, expected, apply, needs, provides, undo, judge } = derive(operation)
  const verdict = judge(bare)
  expectClean([id, explain.what, explain.why, expected, verdict.actual, ...needs, ...provides].join('\n'))
  undo({}, bare)
  for (const { tool, argv } of apply) {
    const words = argv.filter((word) => word !== HOST_PID)
    const line = words.join(' ').replaceAll(/"[^"\\\n]*"/g, '') // comments of nftables
    const misread = tool === 'nft' ? /[^\w\s@.:/{},;!=<>*+-]/ : tool === 'sysctl' ? /[\s\0]/ : /["'#\\\n\0]/
    const odd = tool === 'nft' ? misread.test(line) : words.some((word) => misread.test(word))
    if (odd) throw new Error(`${tool} would misread ${JSON.stringify(words)}`)
  }
}
