import * as fc from 'fast-check'
import { stringify } from 'yaml'
import type * as z from 'zod'
import { assertionKinds } from '../../src/assertions/registry.ts'
import { kinds } from '../../src/operations/registry.ts'
import { mostly, mutated, objectOf, text } from './arbitraries.ts'
import { paramsOf } from './operations.ts'

/** An item of each of some kinds. */
function items(all: Readonly<Record<string, { params: z.ZodType }>>): fc.Arbitrary<unknown> {
  return fc.oneof(...Object.entries(all).map(([kind, { params }]) => fc.record({ [kind]: paramsOf(kind, params) })))
}

const digits = (most: number) => fc.nat(most).map(String)
const operations = fc
  .tuple(items(kinds), fc.option(mostly(fc.constantFrom('1', '2', '${i}', '1023'), text), { freq: 5, nil: undefined }))
  .map(([item, repeat]): unknown =>
    repeat === undefined
      ? item
      : { ...JSON.parse(JSON.stringify(item).replaceAll('red', 'c${i}').replaceAll('veth-a', 'v${i}')), repeat },
  )
const plainChecks = items(assertionKinds)
const checks = fc.oneof(
  plainChecks,
  plainChecks.map((one) => ({ not: one })),
  plainChecks.map((one) => ({ ...Object(one), wait: '5' })),
)
const some = (item: fc.Arbitrary<unknown>) => fc.array(item, { maxLength: 3 })
const plain = fc.constantFrom('A few *words*, and `code`.', '${subnet} is the subnet.', '- a\n- list', '> quoted')
const texts = mostly<unknown>(fc.oneof(plain, fc.record({ en: plain, ko: plain })), text)
const titles = mostly<unknown>(fc.constantFrom('A title', '${a}'), text)
const argument = mostly(fc.constantFrom('ping', '-c1', '${subnet[1]}', 'red', 'eth0'), text, 50)
const commands = objectOf(
  { argv: fc.array(argument, { minLength: 1, maxLength: 3 }), netns: fc.constantFrom('red', '${a}') },
  ['argv'],
)

const steps = objectOf({
  more: texts,
  before: some(checks),
  checks: some(checks),
  run: some(commands),
  hints: some(texts),
  when: some(
    objectOf({ finding: fc.constantFrom('*', '*.*', 'ping.*'), actual: text, text: texts }, ['finding', 'text']),
  ),
  questions: some(
    objectOf(
      {
        ask: texts,
        choices: fc.array(titles, { minLength: 2, maxLength: 3 }),
        answer: fc.constantFrom('1', '2'),
        why: texts,
        try: commands,
      },
      ['ask', 'choices', 'answer', 'why'],
    ),
  ),
  focus: some(argument),
})
const parameters = objectOf(
  {
    type: fc.constantFrom('netns', 'interface', 'subnet', 'address', 'number'),
    default: text,
    text: texts,
    in: text,
    min: digits(9),
    max: digits(99),
  },
  ['type', 'default', 'text'],
)
const labs = fc
  .tuple(
    objectOf({
      order: digits(9),
      start: some(operations),
      learned: texts,
      links: some(objectOf({ title: titles, url: fc.constant('https://example.org') }, ['title', 'url'])),
    }),
    mostly(fc.constant({}), fc.dictionary(text, parameters, { maxKeys: 2 })),
    fc.array(
      fc.tuple(steps, fc.array(operations, { minLength: 1, maxLength: 3 }), fc.constantFrom('operations', 'solution')),
      {
        minLength: 1,
        maxLength: 3,
      },
    ),
  )
  .map(([own, more, all]) => ({
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
    steps: all.map(([others, work, key], i) => ({
      id: `s${i}`,
      title: 'A step',
      text: 'A step.',
      [key]: work,
      ...others,
      ...(key === 'solution' ? { checks: [{ netns: { name: 'red' } }] } : {}),
    })),
  }))

/** The text of a lab's file: mostly of a lab, as YAML or as JSON, or nearly; and anything. */
export const labFiles: fc.Arbitrary<string> = fc.oneof(
  { weight: 4, arbitrary: mutated(labs.map((one) => stringify(one))) },
  { weight: 8, arbitrary: mutated(labs.map((one) => JSON.stringify(one))) },
  { weight: 1, arbitrary: fc.array(text, { maxLength: 30 }).map((pieces) => pieces.join('')) },
)
/** What `--set` says. */
export const settings = mostly(fc.constant({}), fc.dictionary(fc.constantFrom('a', 'subnet', '__proto__'), text))
