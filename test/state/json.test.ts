import { expect, it } from 'vitest'
import * as z from 'zod'
import { parseJson, readJson } from '../../src/state/json.ts'
import { HOST } from '../../src/state/state.ts'
import { withSandbox } from '../helpers.ts'
import { EVIL } from '../hostile/hostile.ts'

const names = z.array(z.object({ name: z.string() }))

it('reads what iproute2 prints of a name: it escapes some characters and leaves others', () => {
  expect(readJson('ip', '[{"name":"a\x1b[2J\\"\\\\\x01"}]\n', names)).toEqual([{ name: 'a\x1b[2J"\\\x01' }])
  expect(readJson('nft', '[\n\t{"name":\t"\\u001b"}\r\n]', names)).toEqual([{ name: '\x1b' }])
})

it.each([
  ['', /cannot read what ip printed: Unexpected end of JSON/],
  ['Cannot open network namespace', /Unexpected token 'C', "Cannot ope"/],
  ['[{"name":"a"', /Expected ',' or '}'/],
  ['[{"name":1}]', /cannot read what ip printed: 0.name: Invalid input: expected string/],
  ['{"name":"a"}', /cannot read what ip printed: Invalid input: expected array/],
])('%j is an error that says which command said what', (text, message) => {
  const read = () => readJson('ip -j link', text, names)
  expect(read).toThrow(message)
  expect(read).toThrow(expect.objectContaining({ name: 'CnilabError', kind: 'state', command: 'ip -j link' }))
})

it.each(['"\\"', '\\"', '"', '"\\'])('reads a long text of %j once, not from each of its places', (unit) => {
  const started = performance.now()
  expect(() => readJson('ip', `["${unit.repeat(300_000)}`, names)).toThrow('cannot read what ip printed: ')
  expect(performance.now() - started).toBeLessThan(10_000)
})

it('is not read where lists lie in each other without an end', () => {
  const [deep, shallow] = [30_000, 100].map((times) => `${'['.repeat(times)}"[[{"${']'.repeat(times)}`)
  expect(() => readJson('nft', deep ?? '', z.unknown())).toThrow('more than 100 lists and objects are nested')
  expect(JSON.stringify(readJson('nft', shallow ?? '', z.unknown()))).toBe(shallow)
})

it('of a stranger, JSON is what the standard says', () => {
  expect([parseJson('{"a":"\x1b"}'), parseJson(''), parseJson('null')]).toEqual([undefined, undefined, null])
})

/** What the kernel takes for the name of an interface: any byte but /, : and space. The last is no UTF-8. */
const LINKS = [
  'a\x1b[2Jb',
  'a"b',
  'a\\b',
  "a'b",
  'a\x7fb',
  'a\u202eb',
  'a\u2028b',
  'a\x01b',
  '$(reboot)',
  'a;b|c',
  'a\x9b',
]
const BROKEN = String.raw`a\377b`

it('reads the names that the kernel takes: of interfaces, namespaces and aliases', () =>
  withSandbox(async (kernel) => {
    const script = `for name; do ip link add name "$name" type bridge; done
ip link add name "$(printf '${BROKEN}')" type bridge
ip link set dev "$1" alias "$2"
ip netns add "$1"; ip netns add "$(printf 'two\nlines')"; ip -n "$1" link add name "$2" type bridge`
    const { stderr } = await kernel.probe(['sh', '-c', script, 'sh', ...LINKS])
    expect(stderr).toBe('')
    await kernel.probe(['ip', 'link', 'set', 'dev', 'a"b', 'alias', `${EVIL}\n"\\`])
    const now = await kernel.read()
    const links = now.get(HOST)?.links ?? []
    expect(links.map(({ name }) => name)).toEqual(expect.arrayContaining([...LINKS, 'a\ufffdb']))
    expect(links.find(({ name }) => name === LINKS[0])?.alias).toBe(LINKS[1])
    expect(links.find(({ name }) => name === 'a"b')?.alias).toBe(`${EVIL}\n"\\`)
    expect(now.get(LINKS[0] ?? '')?.links.map(({ name }) => name)).toEqual(['lo', LINKS[1]])
    expect(now.get('two\nlines')?.links.map(({ name }) => name)).toEqual(['lo'])
  }))
