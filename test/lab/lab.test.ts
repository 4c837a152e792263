import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { labNames, loadLab } from '../../src/engine/lab-files.ts'
import { parseLab } from '../../src/lab/lab.ts'

const text = readFileSync(join(import.meta.dirname, '../../labs/eight-steps.yaml'), 'utf8')

it('every lab that ships parses', () => {
  expect(labNames()).toEqual(['eight-steps', 'scale'])
  expect(loadLab('eight-steps').steps.map((step) => step.id)).toEqual([
    'netns',
    'bridge',
    'veth',
    'attach-netns',
    'attach-bridge',
    'ip',
    'up',
    'masquerade',
  ])
  expect(loadLab('scale', ['containers=3']).steps.find((step) => step.id === 'netns')?.operations).toHaveLength(3)
})

describe('a mistake is named with file, line and column', () => {
  it.each([
    ['title: Create a bridge', 'titel: Create a bridge', /^x\.yaml:\d+:\d+: unknown key 'titel'/],
    ['    title: Create a bridge\n', '', /^x\.yaml:21:5: 'title' is missing/],
    ['veth-c, peer: veth-b', 'veth-c, peer: veth-c', /^x\.yaml:31:37: peer: both ends/],
    ['peer: veth-b', 'peer: veth-b, x: 1', /^x\.yaml:31:45: unknown key 'x'/],
    ['default: 10.22.0.0/16', 'default: 10.22.0.1/16', /^x\.yaml:\d+:\d+: the default of subnet: .*host bits/],
    ['${gateway}/${subnet.prefix}"', '${gatewax}/${subnet.prefix}"', /^x\.yaml:49:9: \$\{gatewax\} names nothing/],
    ['- bridge: {', '- bridg: {', /^x\.yaml:25:9: there is no operation 'bridg'/],
    ['- bridge: {', '- bridge: [', /^x\.yaml:\d+:\d+: /],
    ['version: 1', 'version: 2', /^x\.yaml:1:10: version: version must be 1/],
    ['- not: {', '- nott: {', /^x\.yaml:56:9: a check is one of/],
    ['veth-c, netns', 'veth-c%, netns', /^x\.yaml:36:33: ifname: /],
    ['title: Create a bridge', 'title: ${toString}', /^x\.yaml:22:12: \$\{toString\} names nothing/],
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

it('a parameter may be called as what every object has', () => {
  const called = text.replaceAll('${bridge}', '${constructor}').replace('  bridge: { type', '  constructor: { type')
  const lab = parseLab(called, 'x.yaml')
  expect(lab.parameters.find(({ name }) => name === 'constructor')?.value).toBe('cni0')
})

it.each([
  ['subnet=10.0.0.0/99', 'is not a subnet'],
  ['address=10.23.0.1', 'lies outside its subnet 10.22.0.0/16'],
  ['container=host', 'is reserved'],
  ['x=1', "has no parameter 'x'"],
  ['x', '--set takes key=value'],
])('--set %s is refused', (set, message) => {
  expect(() => loadLab('eight-steps', [set])).toThrow(message)
})

it('explains the bound of scale', () => {
  expect(() => loadLab('scale', ['containers=1001'])).toThrow(/1 to 1000; the kernel allows 1023 ports/)
  expect(() => loadLab('scale', ['containers=300', 'subnet=10.0.0.0/24'])).toThrow(
    /^labs\/scale\.yaml:\d+:\d+: address: '10\.0\.0\.255\/24' is the subnet's broadcast/,
  )
})
