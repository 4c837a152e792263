import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { beforeAll, expect, it } from 'vitest'
import { toNftMessages } from '../../../src/kernel/netlink/nft-commands.ts'
import { nft } from '../../../src/operations/operation.ts'
import { type KindName, kinds } from '../../../src/operations/registry.ts'
import type { NftObject } from '../../../src/state/state.ts'
import type { Result } from './nft-run.ts'

const four = { network: 'n', subnet: '10.22.0.0/16' }
const six = { network: 'my.net-2', subnet: 'fd00:22::/64' }
const longest = { network: `n${'.a'.repeat(150)}`, subnet: 'fd00:1234:5678:9abc:def0:1234:5678:9a00/120' }
const owner = 'n/c/eth0'
const longOwner = `n/${'c'.repeat(121)}/eth0` // 128 bytes

/** Parameters of each kind that has commands of nft, those first upon which others build; of other kinds none. */
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
  'link-settings': [],
  // These are left to nft.
  firewall: [],
  'firewall-member': [],
  'forward-accept': [],
  vlan: [],
  macvlan: [],
  ipvlan: [],
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

const rule = (words: string) => `chain c { ${words}; }`

/** What others may have in tables, by family: that which we read, and that which we leave to nft, as we would print it otherwise. */
const READ: readonly (readonly [string, string])[] = [
  ['ip', ''],
  ['ip', 'chain c { type filter hook input priority 0; policy drop; }'],
  ['bridge', 'chain c { type filter hook forward priority 300; ether saddr 02:00:00:00:00:01 accept; }'],
  // Elements in the order of their values.
  ['ip', 'set s { typeof ip saddr; elements = { 10.0.0.1, 9.0.0.200, 10.0.0.2 comment "é" }; }'],
  ['ip', 'set s { type inet_service; elements = { 443, 80, 8080, 256, 1 }; }'],
  [
    'ip',
    'set s { type ipv4_addr . inet_service; elements = { 10.0.0.1 . 80, 10.0.0.2 . 79, 9.0.0.1 . 256 comment "x" }; }',
  ],
  [
    'ip',
    'map s { type ipv4_addr . inet_service : ipv4_addr . inet_service; elements = { 1.0.0.1 . 2 : 1.2.3.4 . 5 }; }',
  ],
  // Subnets and ranges, in the order of the kernel.
  [
    'ip',
    'set s { type ipv4_addr . ipv4_addr; flags interval; elements = { 1.0.0.1-1.0.0.2 . 1.1.1.1, 1.0.0.0/31 . 1.1.1.2, 0.0.0.0-255.255.255.254 . 1.1.1.3 }; }',
  ],
  // How addresses are abbreviated.
  [
    'ip6',
    'set s { type ipv6_addr; elements = { ::, ::1, ::ffff:1.2.3.4, ::1.2.3.4, ::1:0, 1::, 1:0:0:2::3, 1:0:2:0:0:3:0:0, fe80::1:0:0:1, 1:2:3:4:5:6:7:0, 0:2:3:4:5:6:7:8, 1:0:3:4:5:6:7:8, 1:0:0:4:5:6:0:0, 64:ff9b::102:304 }; }',
  ],
  ['ip', rule('ip saddr 10.0.0.1 ip daddr != 10.0.0.0/9 counter packets 7 bytes 9 accept comment "hi"')],
  ['ip', rule('ip saddr & 255.255.255.254 != 10.0.0.0 drop')],
  ['ip', rule('iifname != "abcdefghijklmno" fib daddr type != local drop')],
  ['ip', `chain d { }\n${rule('jump d')}`],
  ['ip', `set s { type ipv4_addr; }\n${rule('ip saddr != @s accept')}`],
]
const LEFT: readonly (readonly [string, string])[] = [
  ['ip', 'counter x { }'],
  ['ip', 'flags dormant;'],
  ['ip', 'comment "x";'],
  ['ip', 'chain c { comment "x"; }'],
  ['inet', ''],
  ['ip', 'set s { type ipv4_addr; comment "c"; }'],
  ['ip', 'set s { type ipv4_addr; flags timeout; elements = { 10.0.0.1 timeout 1h }; }'],
  ['ip', 'set s { type ipv4_addr; size 7; }'],
  ['ip', 'set s { type ipv4_addr; counter; elements = { 10.0.0.1 }; }'],
  ['ip', 'set s { type ipv4_addr; flags interval; elements = { 10.0.0.0/8 }; }'],
  ['ip', 'set s { type inet_proto; elements = { tcp, 99 }; }'],
  ['ip', 'set s { type mark; }'],
  ['ip', 'map s { type inet_service : verdict; }'],
  ['ip', rule('ip saddr & 255.0.0.255 == 10.0.0.1 drop')],
  ['ip', rule('ip saddr { 10.0.0.1, 10.0.0.2 } drop')],
  ['ip', rule('ip saddr > 10.0.0.1 drop')],
  ['ip', rule('meta l4proto tcp accept')],
  ['ip', rule('th dport 80 accept')],
  ['ip', rule('tcp dport 80 accept')],
  ['ip', rule('ip ttl 1 drop')],
  ['ip', rule('iifname "eth*" drop')],
  ['ip', rule('oifname "eth0" drop')],
  ['ip', rule('fib daddr type broadcast drop')],
  ['ip', rule('ct status snat accept')],
  ['ip', rule('ct status == dnat accept')],
  ['ip', rule('meta mark set 1')],
  ['ip', rule('return')],
  ['bridge', rule('ip saddr 10.0.0.1 accept')],
  ['ip', rule('ether saddr 02:00:00:00:00:01 accept')],
  ['ip', 'chain c { type nat hook postrouting priority srcnat; masquerade random; }'],
  ['ip', 'chain c { type nat hook prerouting priority dstnat; dnat to 10.0.0.1; }'],
  [
    'ip',
    `map m { type inet_service : ipv4_addr; }\nchain c { type nat hook prerouting priority dstnat; dnat to tcp dport map @m; }`,
  ],
]

let result: Result

// Runs nft-run.ts as root of a network namespace of its own.
beforeAll(() => {
  const operations = Object.entries(CASES).flatMap(([kind, rows]) => rows.map((params) => ({ kind, params })))
  const tables = [...READ, ...LEFT].map(([family, content], i) => `table ${family} t${i} {\n${content}\n}\n`).join('')
  const argv = ['-Urn', process.execPath, join(import.meta.dirname, 'nft-run.ts')]
  const options = { input: JSON.stringify({ operations, tables }), encoding: 'utf8', maxBuffer: 1 << 28 } as const
  const { stdout, stderr } = spawnSync('unshare', argv, options)
  if (stderr !== '') throw new Error(stderr)
  // Its own file says so.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  result = JSON.parse(stdout) as Result
})

/** What nft prints, without the handles, which count what was made before. */
function withoutHandles(objects: readonly NftObject[] | undefined): unknown {
  return JSON.parse(
    JSON.stringify(objects ?? 'unknown', (key, value: unknown) => (key === 'handle' ? undefined : value)),
  )
}

it('every kind of operation is listed', () => {
  expect(Object.keys(CASES).toSorted()).toEqual(Object.keys(kinds).toSorted())
})

it('messages leave the same bytes in the kernel as nft does', () => {
  const { byProgram, byMessages } = result
  expect(byProgram).toHaveLength(byMessages.length)
  for (const [i, step] of byProgram.entries()) {
    const ours = byMessages[i]
    expect(ours?.raw, step.name).toEqual(step.raw)
    expect(ours?.text, step.name).toBe(step.text)
    expect(withoutHandles(ours?.json), step.name).toEqual(withoutHandles(step.json))
    expect(step.raw.length > 0, step.name).toBe(step.name !== 'undone')
  }
})

it('tables are read as nft prints them, whoever made them', () => {
  const { byProgram, byMessages } = result
  for (const { name, ours, json, named, terse, terseJson } of [...byProgram, ...byMessages]) {
    expect(ours, name).toEqual(json)
    expect(named, name).toEqual(json)
    expect(terse, name).toEqual(terseJson)
    expect(JSON.stringify(ours), 'the order of the keys').toBe(JSON.stringify(json))
  }
})

it('what others have in their tables is read as nft prints it, or left to nft', () => {
  const { others } = result
  expect(others).toHaveLength(READ.length + LEFT.length)
  for (const [i, { nft: printed, ours }] of others.entries())
    expect(JSON.stringify(ours), JSON.stringify([...READ, ...LEFT][i])).toBe(
      i < READ.length ? JSON.stringify(printed) : undefined,
    )
})

it.each([
  'list ruleset',
  'add table inet t',
  'add table ip 1t',
  'add table ip t; flush ruleset',
  'add table ip t # comment',
  'add table ip\nt',
  `add table ip t${'a'.repeat(255)}`,
  'add element ip t s { 10.0.0.1 }',
  'delete rule ip t c handle 4',
  'add set ip t s { type ipv4_addr; flags interval; }',
  'add set ip t s { type ipv4_addr; flags timeout; }',
  'add set ip t s { type inet_service; }',
  'add set ip t s { typeof ip saddr; }',
  'add map ip t s { type ipv4_addr : verdict; }',
  'add chain ip t c { type route hook output priority mangle; policy accept; }',
  'add chain ip t c { type nat hook ingress priority srcnat; policy accept; }',
  'add chain ip t c { type filter hook input priority filter + 5; policy accept; }',
  'add chain bridge t c { type filter hook prerouting priority dstnat; policy accept; }',
  'create element ip t s { 10.0.0.0/8 comment "x" }',
  'create element ip t s { 10.0.0.1/8 . 10.0.0.1 comment "x" }',
  'create element ip t s { 10.0.0.1-10.0.0.2 . 10.0.0.1 comment "x" }',
  'create element ip t s { http . 80 comment "x" }',
  'create element ip t s { tcp . 65536 comment "x" }',
  'create element ip t s { 10.0.0.1, 10.0.0.2 }',
  'create element ip t s { 10.0.0.1 comment "x" timeout 1h }',
  `create element ip t s { 10.0.0.1 comment "${'x'.repeat(129)}" }`,
  'create element ip t s { ::ffff:10.0.0.1 comment "x" }',
  'delete element ip t s { 10.0.0.1 comment "x" }',
  'add rule ip t c drop',
  'add rule ip t c masquerade random comment "x"',
  'add rule ip t c ip saddr 0.0.0.0/0 drop comment "x"',
  'add rule ip t c ip saddr 10.0.0.1/8 drop comment "x"',
  'add rule ip t c ip saddr 10.0.0.0/33 drop comment "x"',
  'add rule ip t c ip saddr fd00::/64 drop comment "x"',
  'add rule ip t c ip6 saddr fd00::/64 drop comment "x"',
  'add rule ip t c ether saddr 02:00:00:00:00:01 drop comment "x"',
  'add rule bridge t c ip saddr 10.0.0.1 drop comment "x"',
  'add rule bridge t c ether saddr 2:0:0:0:0:1 drop comment "x"',
  'add rule ip t c iifname "eth*" drop comment "x"',
  'add rule ip t c iifname eth0 drop comment "x"',
  'add rule ip t c iifname "abcdefghijklmnop" drop comment "x"',
  'add rule ip t c tcp dport 80 drop comment "x"',
  'add rule ip t c fib daddr type broadcast drop comment "x"',
  'add rule ip t c dnat ip6 to meta l4proto . th dport map @m comment "x"',
  'add rule ip t c drop comment "x" comment "y"',
])('%s is left to nft', (line) => {
  expect(toNftMessages([nft(undefined, 'add', 'table', 'ip', 't'), nft(undefined, ...line.split(' '))])).toBeUndefined()
})
