import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as fc from 'fast-check'
import * as z from 'zod'
import { mostly, text } from './arbitraries.ts'

const LAB = `version: 1
id: small
title: Small
text: Two steps.
parameters: { name: { type: netns, default: red, text: a namespace } }
steps:
  - id: first
    title: A namespace
    text: One namespace.
    operations: [netns: { name: '\${name}' }]
    checks: [netns: { name: '\${name}' }]
    hints: [Make it.]
  - id: second
    title: A pair
    text: Two ends.
    operations: [veth: { name: veth-a, peer: veth-b }]
    checks: [interface: { ifname: veth-a }]
    run: [argv: [echo, seen]]
`
const NETWORK = {
  cniVersion: '1.1.0',
  name: 'mynet',
  plugins: [
    { type: 'bridge', bridge: 'cni0', isGateway: true, ipam: { type: 'host-local', subnet: '10.22.0.0/24' } },
    { type: 'portmap', capabilities: { portMappings: true } },
  ],
}

/** Makes the files that command lines name, in an empty folder: good ones, and what is none. */
export function makeGiven(folder: string): void {
  writeFileSync(join(folder, 'lab.yaml'), LAB)
  writeFileSync(join(folder, 'broken.yaml'), `${LAB}    checks: [`)
  mkdirSync(join(folder, 'net.d'))
  for (const name of ['net.conflist', 'net.d/10-mynet.conflist'])
    writeFileSync(join(folder, name), JSON.stringify(NETWORK))
  writeFileSync(join(folder, 'net.d/20-broken.conflist'), '{')
  symlinkSync('loop', join(folder, 'loop'))
  spawnSync('mkfifo', [join(folder, 'pipe')])
}

const manifestSchema = z.object({
  commands: z.record(
    z.string(),
    z.object({
      args: z.record(z.string(), z.object({ required: z.boolean().optional() })),
      flags: z.record(
        z.string(),
        z.object({
          type: z.enum(['boolean', 'option']),
          options: z.array(z.string()).optional(),
        }),
      ),
    }),
  ),
})
const { commands } = manifestSchema.parse(
  JSON.parse(readFileSync(join(import.meta.dirname, '..', '..', 'oclif.manifest.json'), 'utf8')),
)
type Flags = (typeof commands)[string]['flags']

/** All commands, by their ids, such as `netns:create`. */
export const ids = Object.keys(commands)

/** As a shell can pass it on. */
const word = text.map((one) => Buffer.from(one.replaceAll('\0', '')).toString())

/** What programs run in `exec`: ours, others, none. */
const programs = fc.constantFrom(
  ['true'],
  ['sh', '-c', 'echo said; exit 7'],
  ['cnilab', 'netns', 'list', '--json'],
  ['ip', 'link'],
  ['no-such'],
  ['sh', '-c', 'kill -9 $$'],
)

/** Values of arguments and flags by their names; what has another name gets any word. `given`: the folder of `makeGiven`. */
function valuesIn(given: string): Readonly<Record<string, readonly string[]>> {
  const files = ['lab.yaml', 'broken.yaml', 'net.conflist', 'net.d', 'pipe', 'loop', 'none'].map((one) =>
    join(given, one),
  )
  const odd = [...files, '/dev/zero', '/proc/kmsg', '/etc/passwd', '.']
  const [netns, ifname] = [
    ['red', 'blue', 'internet', 'no-such'],
    ['eth0', 'veth-a', 'veth-b', 'lo', 'cni0'],
  ]
  return {
    name: [...netns, ...ifname],
    netns,
    container: netns,
    cid: ['web', 'db', ...netns],
    peer: ifname,
    ifname,
    bridge: ['cni0', 'br0'],
    address: ['10.22.0.2/16', '10.22.0.1/16', 'fd00::2/64', '10.22.0.2'],
    subnet: ['10.22.0.0/16', 'fd00::/64'],
    dst: ['default', '10.9.0.0/16', 'fd01::/64'],
    via: ['10.22.0.1', 'fd00::1', '10.99.0.1'],
    lab: [...Array(4).fill(join(given, 'lab.yaml')), 'eight-steps', 'rules', 'no-such', ...odd],
    step: ['1', '2', '8', 'first', 'second', '0', '99'],
    set: ['name=blue', 'name=', 'name', 'no=1', `name=${'x'.repeat(2000)}`],
    sandbox: ['default', 'no-such'],
    config: odd,
    path: odd,
    plugin: odd,
    network: [...Array(9).fill('mynet'), join(given, 'net.conflist'), ...odd],
    'conf-dir': [join(given, 'net.d'), join(given, 'net.d'), ...odd],
    'cni-path': ['/opt/cnilab/app/dist/plugins', '/no/such', given, ''],
    'bin-dir': ['/opt/cnilab/app/dist/plugins', '/no/such', given, ''],
    args: ['IP=10.22.0.9', 'A=B;C=D', 'no', 'IgnoreUnknown=1'],
    'cap-args': ['{"portMappings":[{"hostPort":80,"containerPort":80,"protocol":"tcp"}]}', '{}', '[]', '{'],
    keep: ['web/eth0', 'web', '/', 'a/b/c'],
    bind: odd,
  }
}

/**
 * Command lines of some commands, as words: mostly with the arguments that are asked for and a few flags, each with a value
 * of its kind, or nearly; and anything. `given`: the folder of `makeGiven`, as they see it.
 */
export function commandLines(of: readonly string[], given: string): fc.Arbitrary<string[]> {
  const values = valuesIn(given)
  const valueOf = (name: string, options?: readonly string[]) =>
    mostly(fc.constantFrom(...(options ?? values[name] ?? ['x'])), word, 15)
  const flagOf = (flags: Flags, name: string): fc.Arbitrary<string[]> => {
    const flag = flags[name]
    if (flag?.type !== 'option') return fc.constant([`--${name}`])
    return fc
      .tuple(valueOf(name, flag.options), fc.boolean())
      .map(([value, isOne]) => (isOne ? [`--${name}=${value}`] : [`--${name}`, value]))
  }
  const line = fc.constantFrom(...of).chain((id) => {
    const { args, flags } = commands[id] ?? { args: {}, flags: {} }
    const names = Object.keys(flags).filter((name) => name !== 'host') // refused inside of a sandbox, and never to be tried outside
    const words = Object.entries(args).map(([name, { required }]) =>
      mostly(
        valueOf(name).map((value) => [value]),
        fc.constant<string[]>([]),
        required === true ? 30 : 1,
      ),
    )
    const some = fc
      .shuffledSubarray(names, { maxLength: Math.min(3, names.length) })
      .chain((chosen) => fc.tuple(...chosen.map((name) => flagOf(flags, name))))
    const rest = id === 'exec' ? programs.map((argv) => ['--', ...argv]) : fc.constant<string[]>([])
    const more = mostly(
      fc.constant<string[]>([]),
      word.map((one) => [one]),
      30,
    )
    return fc
      .tuple(fc.tuple(...words), some, more, rest)
      .map(([operands, chosen, odd, behind]) => [
        ...id.split(':'),
        ...operands.flat(),
        ...chosen.flat(),
        ...odd,
        ...behind,
      ])
  })
  return mostly(line, fc.array(word, { maxLength: 4 }), 30)
}
