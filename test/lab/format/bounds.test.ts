import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadLab } from '../../../src/lab/run/load.ts'
import { CnilabError } from '../../../src/errors.ts'
import { BOUNDS } from '../../../src/lab/format/bounds.ts'
import { parseLab } from '../../../src/lab/format/parse.ts'
import { drawn } from '../../../src/ui/terminal/drawn.ts'
import { markdown } from '../../../src/ui/terminal/markdown.ts'
import { matches } from '../../../src/wildcard.ts'
import { folderWithOdd, ODD_FILES } from '../../odd-files.ts'

const head = 'version: 1\nid: m\ntitle: M\ntext: t\n'
const step = `${head}steps:\n  - id: a\n    title: a\n    text: t\n`
const doing = `${step}    operations: [{ netns: { name: c } }]\n`
const many = (count: number, of: (i: number) => string) => Array.from({ length: count }, (_, i) => of(i)).join('')

describe('a lab that is too much is refused at once, with line and column', () => {
  it.each([
    [
      'operations by repeat',
      `${step}    operations:\n${many(100, () => '      - { netns: { name: "c${i}" }, repeat: 1023 }\n')}`,
      /^x:29:\d+: this makes more than 20000 operations in one lab$/,
    ],
    [
      'steps',
      `${head}steps:\n${many(201, (i) => `  - { id: s${i}, title: a, text: b, operations: [{ netns: { name: c } }] }\n`)}`,
      /^x:6:3: steps: has at most 200 items$/,
    ],
    [
      'checks',
      `${doing}    checks:\n${many(201, () => '      - netns: { name: c }\n')}`,
      /^x:11:7: checks: has at most 200 items$/,
    ],
    ['hints', `${doing}    hints: [${many(201, () => 'a, ')}b]`, /^x:10:12: hints: has at most 200 items$/],
    ['words of a command', `${doing}    run: [{ argv: [${many(201, () => 'a, ')}b] }]`, /argv: has at most 200 items$/],
    [
      'parameters',
      `${head}parameters:\n${many(101, (i) => `  p${i}: { type: number, default: 1, text: t }\n`)}steps: []`,
      /^x:5:1: parameters: has at most 100/,
    ],
    [
      'a text',
      head.replace('text: t', `text: ${'x'.repeat(4001)}`),
      /^x:4:7: this text has 4001 characters; at most 4000 are allowed$/,
    ],
    ['values', `${head}steps: [${many(30_000, () => 'a, ')}b]`, /^x:5:\d+: a lab has at most 20000 values/],
    ['pieces of YAML', '"'.repeat(200_000), /^x:1:\d+: a lab has at most 20000 values/],
    ['keys', many(100_000, (i) => `k${i}: 1\n`), /^x:\d+:\d+: a lab has at most 20000 values/],
    [
      'lists in lists',
      `${head}steps: ${'['.repeat(100_000)}`,
      /^x:5:\d+: this is nested in more than 50 lists and maps/,
    ],
    [
      'lists in lists, line by line',
      `${head}steps:\n${'- '.repeat(100_000)}`,
      /^x:6:\d+: this is nested in more than 50 lists and maps/,
    ],
    [
      'not in not',
      `${step}    checks:\n      - ${'{ not: '.repeat(1000)}`,
      /^x:10:\d+: this is nested in more than 50 lists and maps/,
    ],
    [
      'not in not, once',
      `${step}    checks: [{ not: { not: { netns: { name: c } } } }]\n    run: [{ argv: [a] }]`,
      /^x:9:\d+: not takes a check, but not another not$/,
    ],
    [
      'aliases in aliases',
      `a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c]`,
      /^x:2:8: Excessive alias count/,
    ],
    [
      'aliases',
      `${head}a: &a [${many(1000, () => 'x,')}x]\nsteps: [${many(50, () => '*a, ')}x]`,
      /^x:6:\d+: a lab has at most 20000 values, with aliases resolved$/,
    ],
    ['an alias in itself', `${head}steps: &a [*a]`, /^x:5:\d+: this is nested in more than 50 lists and maps/],
    ['a key twice', `${head}id: x\n`, /^x:5:1: the key 'id' occurs twice$/],
    ['a key that is a list', `${head}? [a, b]\n: 1\n`, /^x:5:3: a key must be text$/],
    ['a key that is a map', `${head}{ a: 1 }: 1\n`, /^x:5:1: a key must be text$/],
    ['a second document', `${doing}---\na: 1\n`, /^x:10:1: a lab is one document/],
    [
      'a NUL character for the system',
      `${doing}    run: [{ argv: ["a\\0b"] }]\n`,
      /^x:10:\d+: must not contain a NUL character$/,
    ],
    [
      'a namespace of a command that is none',
      `${doing}    run: [{ argv: [a], netns: ../../dev/zero }]\n`,
      /^x:10:\d+: netns: namespace name .* must begin with/,
    ],
    [
      'a number of many digits',
      `${head}order: ${'0'.repeat(1000)}1\nsteps: []`,
      /^x:5:8: order: .* is not a whole number$/,
    ],
  ])('%s', (_, yaml, message) => {
    const started = performance.now()
    let thrown: unknown
    try {
      parseLab(yaml, 'x')
    } catch (error) {
      thrown = error
    }
    expect(thrown).toBeInstanceOf(CnilabError)
    expect(thrown).toMatchObject({ kind: 'usage', message: expect.stringMatching(message) })
    expect(performance.now() - started).toBeLessThan(10_000)
  })

  it('a larger file, and --set', async () => {
    const file = join(folderWithOdd('empty', 'large.yaml'), 'large.yaml')
    writeFileSync(file, `${head}#${'x'.repeat(BOUNDS.file)}`)
    await expect(loadLab(file)).rejects.toThrow('it has more than 256 KiB, the most that is read')
    for (const [name, value] of [
      ['container', 'x'.repeat(100_000)],
      ['subnet', '1'.repeat(100_000)],
    ])
      await expect(loadLab('eight-steps', [`${name}=${value}`])).rejects.toThrow('100000 characters; at most 1000')
    await expect(loadLab('scale', [`containers=${'0'.repeat(900)}1`])).rejects.toThrow('is not a whole number')
  })
})

describe.each(ODD_FILES)('%s in the place of a lab', (kind) => {
  it('is refused with its name', async () => {
    const file = join(folderWithOdd(kind, 'odd.yaml'), 'odd.yaml')
    await expect(loadLab(file)).rejects.toMatchObject({ kind: 'usage', message: expect.stringContaining(file) })
  })
})

it('the greatest lab that ships still has room', async () => {
  const { steps } = await loadLab('scale', ['containers=1000'])
  expect(steps.flatMap(({ operations }) => operations).length).toBe(8005)
})

it('what stands between stars is found at its first place, however many there are', () => {
  expect(matches('*', '')).toBe(true)
  expect(matches('', '')).toBe(true)
  expect(matches('', 'a')).toBe(false)
  expect(matches('a', 'a')).toBe(true)
  expect(matches('a*', 'ba')).toBe(false)
  expect(matches('*a', 'ab')).toBe(false)
  expect(matches('ab*ba', 'aba')).toBe(false)
  expect(matches('ab*ba', 'abba')).toBe(true)
  expect(matches('ping.*.10.*', 'ping.red.10.22.0.1')).toBe(true)
  expect(matches('a.c', 'abc')).toBe(false)
  expect(matches(`${'*a'.repeat(2000)}*b`, 'a'.repeat(3000))).toBe(false)
})

it('a text that is too deep for the parser of Markdown is shown as it is', () => {
  for (const text of ['>'.repeat(4000), '1. '.repeat(1300)])
    expect(drawn(markdown(text, true)).replaceAll(/\s/g, '')).toContain(text.slice(0, 2))
})
