import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { labNames, loadLab } from '../../../src/lab/run/load.ts'
import { failureHints } from '../../../src/lab/format/hints.ts'
import { parseLab } from '../../../src/lab/format/parse.ts'

const text = readFileSync(join(import.meta.dirname, 'eight-steps.txt'), 'utf8')

it('every lab that ships parses', async () => {
  expect(labNames()).toEqual([
    'bridge-add',
    'by-hand',
    'call-plugin',
    'eight-steps',
    'find-it',
    'many-on-a-bridge',
    'masquerade',
    'moving',
    'scale',
    'two-namespaces',
  ])
  expect((await loadLab('eight-steps')).steps.map((step) => step.id)).toEqual([
    'netns',
    'bridge',
    'veth',
    'attach-netns',
    'attach-bridge',
    'ip',
    'up',
    'masquerade',
  ])
  expect((await loadLab('scale', ['containers=3'])).steps.find((step) => step.id === 'netns')?.operations).toHaveLength(
    3,
  )
})

describe('a mistake is named with file, line and column', () => {
  it.each([
    [
      'title: Create a bridge',
      'titel: Create a bridge',
      /^x\.yaml:\d+:\d+: unknown key 'titel': did you mean 'title'\?/,
    ],
    ['    title: Create a bridge\n', '', /^x\.yaml:21:5: 'title' is missing/],
    ['veth-c, peer: veth-b', 'veth-c, peer: veth-c', /^x\.yaml:31:37: peer: both ends/],
    ['peer: veth-b', 'peer: veth-b, x: 1', /^x\.yaml:31:45: unknown key 'x'/],
    ['default: 10.22.0.0/16', 'default: 10.22.0.1/16', /^x\.yaml:\d+:\d+: the default of subnet: .*host bits/],
    ['${gateway}/${subnet.prefix}"', '${gatewax}/${subnet.prefix}"', /^x\.yaml:49:9: \$\{gatewax\} is not known/],
    ['- bridge: {', '- bridg: {', /^x\.yaml:25:9: unknown operation 'bridg': did you mean 'bridge'\?/],
    ['- bridge: {', '- bridge: [', /^x\.yaml:\d+:\d+: /],
    ['version: 1', 'version: 2', /^x\.yaml:1:10: version: version must be 1/],
    ['- not: {', '- nott: {', /^x\.yaml:56:9: unknown check 'nott': did you mean 'not'\?/],
    ['veth-c, netns', 'veth-c%, netns', /^x\.yaml:36:33: ifname: /],
    ['title: Create a bridge', 'title: ${toString}', /^x\.yaml:22:12: \$\{toString\} is not known/],
    [
      '- bridge: { name: "${bridge}" }',
      '- { bridge: { name: b }, repeat: 0 }',
      /^x\.yaml:25:40: repeat is a whole number/,
    ],
    [
      '- bridge: { name: "${bridge}" }',
      '- { bridge: { name: b }, repeat: 99999999999 }',
      /repeat is .* from 1 to 1023/,
    ],
    [
      'checks:\n      - ping: { from: "${container}", to: "${gateway}" }',
      'checks:\n      - ping: { from: "${container}", to: 10.0.0.999 }',
      /^x\.yaml:64:43: to: '10\.0\.0\.999' is not an IP address/,
    ],
    [
      'checks:\n      - ping: { from: "${container}", to: "${gateway}" }',
      'checks:\n      - ping: { from: "${container}", to: "${bridge}" }',
      /^x\.yaml:64:43: to: 'cni0' is not an IP address/,
    ],
    [
      'checks:\n      - ping: { from: "${container}", to: "${gateway}" }',
      'checks:\n      - ping: { from: ../x, to: "${gateway}" }',
      /^x\.yaml:64:23: from: '\.\.\/x' is not a namespace/,
    ],
    [
      '- not: { ping: { from: "${container}", to: "${gateway}" } }',
      '- not: { ping: { from: "${container}", to: -f } }',
      /^x\.yaml:56:50: to: '-f' is not an IP address/,
    ],
    [
      '- seen: { from: "${container}", as: "${uplink}" }',
      '- seen: { from: host, as: "${uplink}" }',
      /^x\.yaml:77:23: from: .*is reserved/,
    ],
    [
      '- seen: { from: "${container}", as: "${uplink}" }',
      '- seen: { from: "${container}", as: x }',
      /^x\.yaml:77:43: as: 'x' is not an IP address/,
    ],
    [
      '- bridge: { name: "${bridge}" }',
      '- { bridge: { name: b }, repeat: 0x2 }',
      /^x\.yaml:25:40: repeat is a whole number from 1 to 1023/,
    ],
    [
      '- bridge: { name: "${bridge}" }',
      '- { bridge: { name: b }, repeat: 1e2 }',
      /^x\.yaml:25:40: repeat is a whole number from 1 to 1023/,
    ],
    [
      '- bridge: { name: "${bridge}" }',
      "- { bridge: { name: b }, repeat: '' }",
      /^x\.yaml:25:40: repeat is a whole number from 1 to 1023/,
    ],
    [
      '- bridge: { name: "${bridge}" }',
      '- { bridge: { name: b }, repeat: [3] }',
      /^x\.yaml:25:40: repeat is a whole number from 1 to 1023/,
    ],
    [
      '- bridge: { name: "${bridge}" }',
      '- { bridge: { name: b }, repeat: "${container}" }',
      /^x\.yaml:25:40: repeat is a whole number from 1 to 1023/,
    ],
    [
      '- bridge: { name: "${bridge}" }',
      '- { bridge: { name: b }, repeat: -1 }',
      /^x\.yaml:25:40: repeat is a whole number from 1 to 1023/,
    ],
    [
      '- bridge: { name: "${bridge}" }',
      "- { bridge: { name: b }, repeat: ' 3' }",
      /^x\.yaml:25:40: repeat is a whole number from 1 to 1023/,
    ],
    [
      '- bridge: { name: "${bridge}" }',
      '- { bridge: { name: b }, repeat: { a: 1 } }',
      /^x\.yaml:25:32: repeat is a whole number from 1 to 1023/,
    ],
    ['id: eight-steps', 'id: ../x', /^x\.yaml:2:5: id: must begin with a letter .*for example: attach-netns/],
    ['- id: bridge', '- id: $(id)', /^x\.yaml:21:9: id: must begin with/],
    ['- id: bridge', `- id: ${'a'.repeat(65)}`, /^x\.yaml:21:9: id: .* 64 at most/],
    [
      'in: subnet, default: "${subnet[1]}"',
      'in: subnett, default: "${subnet[1]}"',
      /^x\.yaml:11:33: in: 'subnett' is not an earlier .*those are: subnet$/,
    ],
    [
      'in: subnet, default: "${subnet[2]}"',
      'in: gateway, default: "${subnet[2]}"',
      /^x\.yaml:12:33: in: 'gateway' is not an earlier/,
    ],
    [
      '{ type: interface, default: cni0',
      '{ type: interface, in: subnet, default: cni0',
      /^x\.yaml:9:\d+: in: 'subnet' is not an earlier .*those are: none$/,
    ],
    [
      'default: "${subnet[1]}"',
      'default: "${subnet[-1]}"',
      /^x\.yaml:\d+:\d+: \[.*\] is not a sum of whole numbers from 0/,
    ],
    [
      'default: "${subnet[1]}"',
      'default: "${subnet[1+-3]}"',
      /^x\.yaml:\d+:\d+: \[.*\] is not a sum of whole numbers from 0/,
    ],
    [
      'default: "${subnet[1]}"',
      'default: "${subnet[0x2]}"',
      /^x\.yaml:\d+:\d+: \[.*\] is not a sum of whole numbers from 0/,
    ],
    [
      'default: "${subnet[1]}"',
      'default: "${subnet[1+]}"',
      /^x\.yaml:\d+:\d+: \[.*\] is not a sum of whole numbers from 0/,
    ],
    [
      'default: "${subnet[1]}"',
      'default: "${subnet[1.5]}"',
      /^x\.yaml:\d+:\d+: \[.*\] is not a sum of whole numbers from 0/,
    ],
    [
      'default: "${subnet[1]}"',
      `default: "\${subnet[${'9'.repeat(400)}]}"`,
      /^x\.yaml:\d+:\d+: \[.*\] is not a sum of whole numbers from 0/,
    ],
    [
      '- bridge: { name: "${bridge}" }',
      '- bridge: { name: b, mark: { mac: 02:00:00:00:00:01 } }',
      /^x\.yaml:25:28: unknown key 'mark'/,
    ],
    ['peer: veth-b', 'peer: veth-b, mark: x', /^x\.yaml:31:45: unknown key 'mark'/],
    ['title: Create a bridge', 'title: "a\\nb"', /^x\.yaml:22:12: title: must be one line/],
    ['title: Create a bridge', 'title: "a\\e[2J"', /^x\.yaml:22:12: title: must be one line/],
    ['title: The eight', 'title: "a\\rb" #', /^x\.yaml:3:8: title: must be one line/],
    ['text: A bridge is', 'text: "a\\e[2J" #', /^x\.yaml:23:11: text: must not contain control/],
    ['text: the bridge }', 'text: "a\\x9b2J" }', /^x\.yaml:9:\d+: text: must not contain control/],
    [text, '- a', /^x\.yaml:1:1: a lab is a map of keys/],
    [text, '', /^x\.yaml:1:1: a lab is a map of keys/],
  ])('%j → %j', (from, to, message) => {
    expect(text).toContain(from)
    expect(() =>
      parseLab(
        text.replace(from, () => to),
        'x.yaml',
      ),
    ).toThrow(message)
  })
})

it('a text may have lines, and the host may ping', () => {
  const changed = text
    .replace('text: A bridge is', String.raw`text: "a\nb" #`)
    .replace(/- ping: \{ from: "[^"]+"/, '- ping: { from: host')
    .replace('to: "${gateway}" }\n  - id: masq', 'to: FD00::1 }\n  - id: masq')
  const { steps } = parseLab(changed, 'x.yaml')
  expect(steps[1]?.text).toBe('a\nb')
  expect(steps[6]?.checks).toMatchObject([
    { claim: { kind: 'ping', params: { from: 'host', to: 'fd00::1' } }, not: false },
  ])
})

it('an index before the first address is an error, even where the subnet begins at 0', () => {
  expect(() => parseLab(text.replaceAll('10.22.0.0/16', '0.0.0.0/8').replace('[1]', '[-1]'), 'x.yaml')).toThrow(
    /^x\.yaml:\d+:\d+: \[-1\] is not a sum/,
  )
})

it('a parameter may be called as what every object has', () => {
  const called = text.replaceAll('${bridge}', '${constructor}').replace('  bridge: { type', '  constructor: { type')
  const lab = parseLab(called, 'x.yaml')
  expect(lab.parameters.find(({ name }) => name === 'constructor')?.value).toBe('cni0')
})

it.each([
  ['subnet=10.0.0.0/99', 'is not a subnet'],
  ['address=10.23.0.1', 'is outside its subnet 10.22.0.0/16'],
  ['container=host', 'is reserved'],
  ['x=1', "has no parameter 'x'"],
  ['x', '--set takes key=value'],
])('--set %s is refused', async (set, message) => {
  await expect(loadLab('eight-steps', [set])).rejects.toThrow(message)
})

it('explains the bound of scale', async () => {
  await expect(loadLab('scale', ['containers=1001'])).rejects.toThrow(/1 to 1000; the kernel allows 1023 ports/)
  await expect(loadLab('scale', ['containers=300', 'subnet=10.0.0.0/24'])).rejects.toThrow(
    /^labs\/scale\.yaml:\d+:\d+: address: '10\.0\.0\.255\/24' is the subnet's broadcast/,
  )
})

const step = (more: string) =>
  `version: 1\nid: t\ntitle: T\ntext: t\nsteps:\n  - id: a\n    title: a\n    text: t\n${more}`

it.each([
  ['    operations: [{ bridge: { name: b } }]\n    solution: [{ bridge: { name: b } }]\n', 'not both'],
  ['    checks: [{ netns: { name: red } }]\n', 'at least one operation'],
  ['    run: [{ argv: [true] }]\n', 'could never be done'],
  ['    run: [{ argv: ip link }]\n    checks: [{ netns: { name: red } }]\n', 'argv: '],
  ['    operations: [{ bridge: { nam: b } }]\n', "unknown key 'nam': did you mean 'name'?"],
  ['    operations: [{ bridge: { name: b } }]\n    hnits: []\n', "unknown key 'hnits': did you mean 'hints'?"],
  [
    '    operations: [{ bridge: { name: b } }]\n    checks: [{ pong: { from: a, to: 10.0.0.1 } }]\n',
    "did you mean 'ping'",
  ],
  [
    '    operations: [{ bridge: { name: b } }]\n    checks: [{ ping: { from: a, to: 10.0.0.1 }, wait: 99 }]\n',
    'wait is a whole',
  ],
  ['    operations: [{ bridge: { name: b } }]\n    checks: [{ not: ping }]\n', 'not takes a check'],
  [
    '    operations: [{ bridge: { name: b } }]\n    questions: [{ ask: a, choices: [b, c], answer: 3, why: d }]\n',
    'from 1 to 2',
  ],
  ['    operations: [{ bridge: { name: b } }]\n    hints: [{ ko: only }]\n', "'en' is missing"],
  [
    '    operations: [{ bridge: { name: b } }]\n    hints: [{ text: a, fi: { netns: { name: r } } }]\n',
    "unknown key 'fi'",
  ],
  ['    operations: [{ bridge: { name: b } }]\n    hints: [{ text: a, if: { nets: { name: r } } }]\n', "'netns'"],
  ['    operations: [{ bridge: { name: b } }]\n    hints: [{ text: a, if: [{ netns: { nam: r } }] }]\n', "'nam'"],
  [
    '    operations: [{ bridge: { name: b } }]\n    when: [{ finding: "nosuch.*", text: x }]\n',
    "is called 'nosuch.*'; its findings are: bridge.b",
  ],
  [
    '    operations: [{ bridge: { name: b } }]\n    checks: [{ not: { not: { netns: { name: a } } } }]\n',
    'not another not',
  ],
  [
    '    operations: [{ bridge: { name: b } }]\n    checks: [{ netns: { name: a }, wiat: 3 }]\n',
    "unknown key 'wiat': did you mean 'wait'?",
  ],
  ['    operations: { bridge: { name: b } }\n', 'operations: must be a list'],
  [
    '    operations: [{ bridge: { name: b } }]\n    questions: [{ ask: a, choices: [b, c], answer: 1, why: d, try: ip }]\n',
    'try: must be a map',
  ],
  ['    operations: [{ bridge: { name: b } }]\n    hints: [{ en: "a\\u0007" }]\n', 'control characters'],
])('a step with %j is refused, with its place', (more, message) => {
  expect(() => parseLab(step(more), 'x.yaml')).toThrow(/^x\.yaml:\d+:\d+: /)
  expect(() => parseLab(step(more), 'x.yaml')).toThrow(message)
})

it('picks the texts of a language, and English where there are none', () => {
  const yaml = step('    operations: [{ bridge: { name: b } }]\n    hints: [{ en: one, ko: 하나 }, two]\n').replace(
    'title: T',
    'title: { en: Test, ko: 시험 }',
  )
  expect(parseLab(yaml, 'x.yaml', {}, 'ko')).toMatchObject({ title: '시험', steps: [{ hints: ['하나', 'two'] }] })
  expect(parseLab(yaml, 'x.yaml', {}, 'de')).toMatchObject({ title: 'Test', steps: [{ hints: ['one', 'two'] }] })
})

it('shows a hint for the very failure that it is for', () => {
  const yaml = step(
    '    operations: [{ bridge: { name: b } }]\n    when:\n      - { finding: "bridge.*", actual: no bridge, text: wrong kind }\n      - { finding: bridge.b, text: any }\n',
  )
  const [only] = parseLab(yaml, 'x.yaml').steps
  const failed = (actual: string) => ({
    id: 'bridge.b',
    step: 'a',
    passed: false,
    what: '',
    expected: '',
    actual,
    why: '',
    fix: [],
    dependsOn: [],
  })
  expect(only && failureHints(only, [failed('b is no bridge')])).toEqual(['wrong kind', 'any'])
  expect(only && failureHints(only, [failed('there is no interface b')])).toEqual(['any'])
  expect(only && failureHints(only, [{ ...failed('b is no bridge'), passed: null }])).toEqual([])
})
