import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { type KindName, kinds } from '../../../src/operations/registry.ts'
import type { NftObject } from '../../../src/state/state.ts'
import type { Step } from './nft-run.ts'

const four = { network: 'n', subnet: '10.22.0.0/16' }
const six = { network: 'my.net-2', subnet: 'fd00:22::/64' }
const longest = { network: `n${'.a'.repeat(150)}`, subnet: 'fd00:1234:5678:9abc:def0:1234:5678:9a00/120' }
const owner = 'n/c/eth0'
const longOwner = `n/${'c'.repeat(121)}/eth0` // 128 bytes

/** Parameters of each kind with commands of nft, those first upon which others build; none of a kind that has no commands of nft. */
const CASES: Readonly<Record<KindName, readonly object[]>> = {
  netns: [],
  bridge: [],
  veth: [],
  'attach-netns': [],
  'attach-bridge': [],
  address: [],
  up: [],
  route: [],
  sysctl: [],
  'port-vlans': [],
  promiscuous: [],
  vlan: [],
  macvlan: [],
  dummy: [],
  masquerade: [
    { subnet: '10.22.0.0/16', mark: { id: '12ab34cd' } },
    ...[1, 7, 8, 23, 24, 32].map((prefix) => ({ subnet: `128.0.0.0/${prefix}` })),
    ...[1, 63, 64, 127, 128].map((prefix) => ({ subnet: `8000::/${prefix}` })),
  ],
  'network-masquerade': [four, six, longest, { ...four, subnet: '10.22.0.0/17' }],
  'masqueraded-address': [
    { ...four, address: '10.22.0.2', owner },
    { ...four, address: '10.22.255.254', owner: longOwner },
    { ...six, address: 'fd00:22::1:0:2', owner },
    { ...longest, address: 'fd00:1234:5678:9abc:def0:1234:5678:9aff', owner: longOwner },
  ],
  'mac-spoof-check': [
    { ifname: 'a', mac: '02:00:00:00:00:01' },
    { ifname: 'veth-0_1.234567', mac: '0a:ff:00:10:20:30' },
  ],
  'port-forwarding': [{ family: 'ip' }, { family: 'ip6' }],
  'port-forward': [
    { protocol: 'tcp', hostPort: 8080, address: '10.22.0.2', containerPort: 80, owner },
    { protocol: 'udp', hostPort: 1, address: '10.22.0.2', containerPort: 65_535, owner: longOwner },
    { protocol: 'sctp', hostIp: '203.0.113.2', hostPort: 65_535, address: '10.22.0.2', containerPort: 1, owner },
    { protocol: 'tcp', hostPort: 8080, address: 'fd00::2', containerPort: 80, owner },
    { protocol: 'udp', hostIp: '2001:db8::9', hostPort: 53, address: 'fd00::2', containerPort: 5353, owner },
  ],
  'forward-masquerade': [
    { source: '0.0.0.0/0', address: '10.22.0.3', owner },
    { source: '10.22.0.2/32', address: '10.22.0.4', owner: longOwner },
    { source: '10.22.0.0/16', address: '10.22.0.5', owner },
    { source: '10.22.0.128/29', address: '10.22.0.6', owner },
    { source: '::/0', address: 'fd00::7', owner },
    { source: 'fd00::2/128', address: 'fd00::8', owner },
    { source: 'fd00::/61', address: 'fd00::9', owner },
  ],
}

/** Runs a program of this folder as root of a network namespace of its own, and returns what it printed, which is JSON. */
function inNamespace(program: string, input: unknown): unknown {
  const { stdout, stderr } = spawnSync('unshare', ['-Urn', process.execPath, join(import.meta.dirname, program)], {
    input: JSON.stringify(input),
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  expect(stderr).toBe('')
  return JSON.parse(stdout)
}

/** What nft prints, without the handles, which count what was made before. */
function withoutHandles(objects: readonly NftObject[] | undefined): unknown {
  return JSON.parse(
    JSON.stringify(objects ?? 'unknown', (key, value: unknown) => (key === 'handle' ? undefined : value)),
  )
}

it('every kind is listed', () => {
  expect(Object.keys(CASES).toSorted()).toEqual(Object.keys(kinds).toSorted())
})

it('messages leave the same bytes in the kernel as nft does, and we read what nft prints', () => {
  const inputs = Object.entries(CASES).flatMap(([kind, rows]) => rows.map((params) => ({ kind, params })))
  // The program prints what its own file says.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const { byProgram, byMessages } = inNamespace('nft-run.ts', inputs) as Record<'byProgram' | 'byMessages', Step[]>
  expect(byProgram).toHaveLength(byMessages.length)
  for (const [i, step] of byProgram.entries()) {
    const ours = byMessages[i]
    expect(ours?.raw, step.name).toEqual(step.raw)
    expect(ours?.text, step.name).toBe(step.text)
    expect(withoutHandles(ours?.json), step.name).toEqual(withoutHandles(step.json))
    for (const one of [step, ours]) {
      expect(one?.ours, step.name).toEqual(one?.json)
      expect(one?.named, step.name).toEqual(one?.json)
      expect(one?.terse, step.name).toEqual(one?.terseJson)
      expect(JSON.stringify(one?.ours), 'the order of the keys').toBe(JSON.stringify(one?.json))
    }
    expect(step.raw.length > 0, step.name).toBe(step.name !== 'undone')
  }
})
