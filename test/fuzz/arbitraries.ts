import * as fc from 'fast-check'

/** What steers a terminal, hides, or means something to a shell, to YAML, to JSON, or to the kernel. */
const ODD = [
  '',
  ' ',
  '\n',
  '\t',
  '\r\n',
  '\u001b[2K',
  '\u0007',
  '\u009b',
  '\u202e',
  '\u200b',
  '\ufeff',
  '\ud800',
  '-',
  '--',
  '-n',
  '.',
  '..',
  '../x',
  '/',
  '%d',
  '#',
  "'",
  '"',
  '\\',
  '$(id)',
  '`id`',
  '${i}',
  '${subnet[2]}',
  '${subnet[',
  '{{}}',
  '*',
  '&a',
  '!!x',
  '|',
  '>',
  '? ',
  ': ',
  '[',
  '{',
  '<<',
  '~',
  'null',
  'true',
  '0',
  '-1',
  '1e9',
  '99999999999999999999',
  '0x10',
  '.5',
  '__proto__',
  'constructor',
  'toString',
  'x'.repeat(300),
  '🦀',
  'é',
] as const

/** Words that mean something here: names, addresses, paths. */
const KNOWN = [
  'red',
  'blue',
  'host',
  'internet',
  'all',
  'default',
  'lo',
  'eth0',
  'cni0',
  'veth-a',
  'veth-b',
  '10.22.0.0/16',
  '10.22.0.2/16',
  '10.22.0.1',
  '10.22.0.1/33',
  '256.1.1.1',
  '0.0.0.0/0',
  'fd00::/64',
  'fd00::1/64',
  '::1',
  '::ffff:10.0.0.1',
  '02:00:00:00:00:01',
  'net.ipv4.ip_forward',
  'eight-steps',
  'scale',
  'bridge',
  'host-local',
  'static',
  'portmap',
  'mynet',
  'web-1',
  '/run/netns/red',
  '/proc/self/ns/net',
  '/proc/1/ns/net',
  '/dev/null',
  '/dev/zero',
  '/no/such',
  '/tmp',
  '/etc/passwd',
  '1.1.0',
  '0.2.0',
  'tcp',
  'udp',
  '80',
  '1500',
] as const

/** A text that may come from anywhere: known or odd, or a few of these in a row, or anything. */
export const text: fc.Arbitrary<string> = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...KNOWN) },
  { weight: 3, arbitrary: fc.constantFrom(...ODD) },
  {
    weight: 1,
    arbitrary: fc.array(fc.constantFrom(...KNOWN, ...ODD), { maxLength: 4 }).map((parts) => parts.join('')),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 20 }) },
)

/** A value of JSON. */
export const json: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 6, arbitrary: text },
  {
    weight: 2,
    arbitrary: fc.constantFrom(true, false, null, 0, 1, -1, 1500, 65_536, 1.5, 2 ** 53, [], {}, [[]], [{}]),
  },
  { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 3, noUnicodeString: false }) },
)

/** Of so many values one is odd, where many make up one case: often none is. */
const SELDOM = 250

/** Mostly what is expected, and now and then anything. */
export function mostly<T>(expected: fc.Arbitrary<T>, odd: fc.Arbitrary<T>, seldom = SELDOM): fc.Arbitrary<T> {
  return fc.oneof({ weight: seldom, arbitrary: expected }, { weight: 1, arbitrary: odd })
}

/** An object with some of these keys, each of which mostly has a value of its own kind; and now and then others. */
export function objectOf(
  keys: Readonly<Record<string, fc.Arbitrary<unknown>>>,
  requiredKeys: readonly string[] = [],
  seldom = SELDOM,
): fc.Arbitrary<Record<string, unknown>> {
  const own = Object.fromEntries(Object.entries(keys).map(([key, value]) => [key, mostly(value, json, seldom)]))
  const more = mostly(fc.constant({}), fc.dictionary(text, json, { minKeys: 1, maxKeys: 2 }), seldom)
  return fc
    .tuple(fc.record(own, { requiredKeys: [...requiredKeys] }), more)
    .map(([object, others]) => ({ ...object, ...others }))
}

/** Changes to a text: at a place, so many characters go, and others come. */
const edits = fc.array(fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true }), go: fc.nat(5), come: text }), {
  maxLength: 3,
})

/** A text as it is made, or after a few changes anywhere in it. */
export function mutated(made: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc.oneof(
    { weight: 4, arbitrary: made },
    {
      weight: 1,
      arbitrary: fc.tuple(made, edits).map(([whole, changes]) =>
        changes.reduce((now, { at, go, come }) => {
          const place = Math.floor(at * now.length)
          return now.slice(0, place) + come + now.slice(place + go)
        }, whole),
      ),
    },
  )
}
