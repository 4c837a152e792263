import { spawnSync } from 'node:child_process'
import { expect, it } from 'vitest'
import type { Kernel } from '../../src/kernel/kernel.ts'
import { bindOperation, type KindName, kinds, parseOperation } from '../../src/operations/registry.ts'
import { describe as lines } from '../../src/state/diff.ts'
import type { State } from '../../src/state/state.ts'
import { scopeOf } from '../../src/plan/scope.ts'
import { withSandbox } from '../helpers.ts'
import { cable, inNetwork, owned, pair, ROWS, RULES_OF_RED } from './samples.ts'

/** Does operations that a test builds upon. */
async function prepare(kernel: Kernel, ...operations: [KindName, object][]): Promise<void> {
  for (const [kind, params] of operations) await kernel.run(bindOperation(parseOperation(kind, params)).apply)
}

/** What of a state an operation leaves alone: what is in other namespaces than its own. A cable has an end elsewhere, too. */
function aside(kind: KindName, params: object, state: State): string[] {
  const isInRed = 'netns' in params && params.netns === 'red' && kind !== 'attach-netns' && kind !== 'veth'
  return isInRed ? lines(state).filter((line) => !line.startsWith('red: ')) : []
}

it.each(ROWS)('%s %j is absent, then present, then as before', (kind, params, needs) =>
  withSandbox(async (kernel) => {
    await prepare(kernel, ...needs)
    const operation = bindOperation(parseOperation(kind, params))
    const planned = scopeOf([operation])
    const scope = { ...planned, namespaces: undefined, rules: new Set([...planned.rules, 'host']) }
    const first = await kernel.read(scope)
    const verdict = operation.judge(first)
    expect(verdict.status).toBe('absent')
    await kernel.run(operation.apply)
    const second = await kernel.read(scope)
    expect(operation.judge(second)).toMatchObject({ status: 'present' })
    expect(lines(second)).not.toEqual(lines(first))
    expect(aside(kind, params, second)).toEqual(aside(kind, params, first))
    await kernel.run(operation.undo(verdict.status === 'absent' ? verdict.before : {}, second))
    expect(lines(await kernel.read(scope))).toEqual(lines(first))
  }),
)

it('every kind that takes a namespace is tried in one', () => {
  const tried = new Set<string>(
    [...ROWS, ...RULES_OF_RED].flatMap(([kind, params]) => ('netns' in params ? [kind] : [])),
  )
  // The second kernel has VLANs and dummies.
  expect(Object.keys(kinds).filter((kind) => !tried.has(kind))).toEqual([
    'netns',
    'forward-accept', // in a chain of others: wrong-states.ts
    'port-vlans',
    'vlan',
    'ipvlan',
    'dummy',
  ])
})

it.each(RULES_OF_RED)('%s %j is another one than that of the host', (kind, params, needs) =>
  withSandbox(async (kernel) => {
    const ofHost = ([one, its]: [KindName, object]): [KindName, object] => [one, { ...its, netns: undefined }]
    const operation = bindOperation(parseOperation(kind, params))
    const twin = bindOperation(parseOperation(...ofHost([kind, params])))
    const read = () => kernel.read(scopeOf([operation, twin]))
    expect(operation.judge(await read())).toMatchObject({ status: 'blocked', missing: 'netns:red' })
    await prepare(kernel, ...needs, ...needs.filter(([one]) => one !== 'netns').map(ofHost))
    await kernel.run(twin.apply)
    const before = await read()
    expect([operation.judge(before).status, twin.judge(before).status]).toEqual(['absent', 'present'])
    expect(operation.undo({}, before)).toEqual([])
    await kernel.run(operation.apply)
    const both = await read()
    const commands = [...operation.apply, ...operation.undo({}, both), ...operation.mend(both)]
    expect(new Set(commands.map(({ netns }) => netns))).toEqual(new Set(['red']))
    expect(operation.id).not.toBe(twin.id)
    expect(operation.expected).not.toBe(twin.expected)
    expect(operation.isSame(twin.operation)).toBe(false)
    await kernel.run(twin.undo({}, both))
    const after = await read()
    expect([operation.judge(after).status, twin.judge(after).status]).toEqual(['present', 'absent'])
  }),
)

it('finds a veth whose end was moved and renamed, and takes its own uplink for nobody else', () =>
  withSandbox(async (kernel) => {
    const veth = bindOperation(parseOperation('veth', { name: 'a', peer: 'b' }))
    await prepare(kernel, ['netns', { name: 'red' }], pair, [
      'attach-netns',
      { ifname: 'a', netns: 'red', name: 'eth0' },
    ])
    expect(veth.judge(await kernel.read()).status).toBe('present')
    const inPlace = bindOperation(parseOperation('veth', { name: 'x', peer: 'eth0', peerNetns: 'blue' }))
    await prepare(kernel, ['netns', { name: 'blue' }])
    expect(inPlace.judge(await kernel.read()).status).toBe('absent')
  }))

it('tells one pair from another, and the uplink from both', () =>
  withSandbox(async (kernel) => {
    const status = async (name: string, peer: string) =>
      bindOperation(parseOperation('veth', { name, peer })).judge(await kernel.read()).status
    expect(await status('foo', 'eth0')).toBe('differs')
    expect(bindOperation(parseOperation('veth', { name: 'foo', peer: 'eth0' })).undo({}, await kernel.read())).toEqual(
      [],
    )
    await prepare(kernel, ['veth', { name: 'a', peer: 'c' }])
    expect([await status('a', 'b'), await status('a', 'c'), await status('x', 'y')]).toEqual([
      'differs',
      'present',
      'absent',
    ])
    await prepare(kernel, ['netns', { name: 'red' }], ['veth', { name: 'm', peer: 'eth1', peerNetns: 'red' }])
    expect(await status('foo', 'eth1')).toBe('absent')
  }))

it('counts no masquerade rule in a chain that no packet sees', () =>
  withSandbox(async (kernel) => {
    const rules = 'add table ip n\nadd chain ip n CNI-x\nadd rule ip n CNI-x ip daddr != 224.0.0.0/4 masquerade\n'
    expect((await kernel.probe(['nft', '-f', '-'], undefined, rules)).code).toBe(0)
    const masquerade = bindOperation(parseOperation('masquerade', { subnet: '10.22.0.0/16' }))
    expect(masquerade.judge(await kernel.read()).status).toBe('absent')
  }))

it('says what is in the way and what is missing', () =>
  withSandbox(async (kernel) => {
    await prepare(kernel, pair)
    const now = await kernel.read()
    expect(bindOperation(parseOperation('bridge', { name: 'a' })).judge(now).status).toBe('differs')
    expect(bindOperation(parseOperation('attach-netns', { ifname: 'a', netns: 'red' })).judge(now)).toMatchObject({
      status: 'blocked',
      missing: 'netns:red',
    })
    expect(bindOperation(parseOperation('up', { ifname: 'nope' })).judge(now)).toMatchObject({
      status: 'blocked',
      missing: 'link:host/nope',
    })
  }))

const hasIptables = spawnSync('sh', ['-c', 'command -v iptables']).status === 0

it.skipIf(!hasIptables)('accepts a masquerade rule of iptables (skipped where that is not installed)', () =>
  withSandbox(async (kernel) => {
    const masquerade = bindOperation(parseOperation('masquerade', { subnet: '10.22.0.0/16' }))
    expect(masquerade.judge(await kernel.read()).status).toBe('absent')
    await kernel.probe(['iptables', '-t', 'nat', '-A', 'POSTROUTING', '-s', '10.0.0.0/8', '-j', 'MASQUERADE'])
    expect(masquerade.judge(await kernel.read()).status).toBe('present')
  }),
)

it('accepts a masquerade rule that was typed by hand', () =>
  withSandbox(async (kernel) => {
    await kernel.probe(
      ['nft', '-f', '-'],
      undefined,
      'add table ip mine\nadd chain ip mine post { type nat hook postrouting priority srcnat; }\nadd rule ip mine post ip saddr 172.16.0.0/12 masquerade\n',
    )
    const now = await kernel.read()
    expect(bindOperation(parseOperation('masquerade', { subnet: '172.16.5.0/24' })).judge(now).status).toBe('present')
    expect(bindOperation(parseOperation('masquerade', { subnet: '192.168.0.0/24' })).judge(now).status).toBe('absent')
  }))

/** What `ip -j` or `nft -j` says by itself, without cnilab's own reading of it; undefined where it finds nothing. */
async function raw(kernel: Kernel, argv: string, netns?: string): Promise<unknown> {
  const { code, stdout } = await kernel.probe(argv.split(' '), netns)
  return code === 0 && stdout.trim() !== '' ? JSON.parse(stdout) : undefined
}

it.each<[KindName, object, [KindName, object][], string, string | undefined, object]>([
  ['netns', { name: 'red' }, [], 'ip -j link show dev lo', 'red', [{ ifname: 'lo' }]],
  ['bridge', { name: 'b' }, [], 'ip -j -d link show dev b', undefined, [{ linkinfo: { info_kind: 'bridge' } }]],
  ['veth', { name: 'a', peer: 'b' }, [], 'ip -j -d link show dev b', undefined, [{ link: 'a' }]],
  [
    'attach-netns',
    { ifname: 'b', netns: 'red', name: 'eth0' },
    [['netns', { name: 'red' }], pair],
    'ip -j -d link show dev eth0',
    'red',
    [{ ifname: 'eth0', linkinfo: { info_kind: 'veth' } }],
  ],
  [
    'attach-bridge',
    { ifname: 'b', bridge: 'br0' },
    [['bridge', { name: 'br0' }], pair],
    'ip -j link show master br0',
    undefined,
    [{ ifname: 'b' }],
  ],
  [
    'address',
    { address: '10.22.0.2/16', ifname: 'a' },
    [pair],
    'ip -j address show to 10.22.0.2',
    undefined,
    [{ ifname: 'a', addr_info: [{ local: '10.22.0.2', prefixlen: 16 }] }],
  ],
  [
    'address',
    { address: 'fd00::2/64', ifname: 'eth0', netns: 'red' },
    cable,
    'ip -j address show to fd00::2',
    'red',
    [{ ifname: 'eth0', addr_info: [{ local: 'fd00::2', prefixlen: 64, nodad: true }] }],
  ],
  ['up', { ifname: 'a' }, [pair], 'ip -j link show dev a up', undefined, [{ ifname: 'a' }]],
  [
    'route',
    { dst: '10.9.0.0/16', via: '203.0.113.1' },
    [],
    'ip -j route show 10.9.0.0/16',
    undefined,
    [{ dst: '10.9.0.0/16', gateway: '203.0.113.1', dev: 'eth0' }],
  ],
  [
    'masquerade',
    { subnet: '10.22.0.0/16' },
    [],
    'nft -j list table ip cnilab_10_22_0_0_16',
    undefined,
    {
      nftables: expect.arrayContaining([
        { rule: expect.objectContaining({ expr: expect.arrayContaining([{ masquerade: null }]) }) },
      ]),
    },
  ],
  [
    'masquerade',
    { subnet: 'fd00::/64' },
    [],
    'nft -j list table ip6 cnilab_fd00___64',
    undefined,
    {
      nftables: expect.arrayContaining([
        { rule: expect.objectContaining({ expr: expect.arrayContaining([{ masquerade: null }]) }) },
      ]),
    },
  ],
  [
    'bridge',
    { name: 'b', mtu: 1400, mark: { mac: owned.mac } },
    [],
    'ip -j -d link show dev b',
    undefined,
    [{ mtu: 1400, address: owned.mac, ifalias: 'made by cnilab' }],
  ],
  [
    'veth',
    { name: 'a', peer: 'eth0', peerNetns: 'red', mtu: 1400, mark: owned },
    [['netns', { name: 'red' }]],
    'ip -j link show dev a',
    undefined,
    [{ mtu: 1400, address: owned.mac, ifalias: 'made by cnilab for n/c/eth0' }],
  ],
  [
    'veth',
    { name: 'a', peer: 'eth0', peerNetns: 'red', mtu: 1400, mark: owned },
    [['netns', { name: 'red' }]],
    'ip -j link show dev eth0',
    'red',
    [{ mtu: 1400, address: owned.peerMac }],
  ],
  [
    'attach-bridge',
    { ifname: 'b', bridge: 'br0', hairpin: true, isolated: true },
    [['bridge', { name: 'br0' }], pair],
    'ip -j -d link show master br0',
    undefined,
    [{ linkinfo: { info_slave_data: { hairpin: true, isolated: true } } }],
  ],
  [
    'route',
    { dst: '192.0.2.0/24', dev: 'eth0', netns: 'red', mtu: 1400, advmss: 1360, priority: 50, table: 7 },
    [...cable, ['up', { ifname: 'eth0', netns: 'red' }]],
    'ip -j route show table 7',
    'red',
    [{ dst: '192.0.2.0/24', dev: 'eth0', metric: 50, metrics: [{ mtu: 1400, advmss: 1360 }] }],
  ],
  [
    'network-masquerade',
    { network: 'my.net-2', subnet: '10.22.0.0/16' },
    [],
    'nft -j list table ip cnilab_network_my.net-2',
    undefined,
    {
      nftables: expect.arrayContaining([
        { rule: expect.objectContaining({ expr: expect.arrayContaining([{ masquerade: null }]) }) },
      ]),
    },
  ],
  [
    'mac-spoof-check',
    { ifname: 'a', mac: owned.mac },
    [pair],
    'nft -j list table bridge cnilab_a',
    undefined,
    {
      nftables: expect.arrayContaining([
        { rule: expect.objectContaining({ expr: expect.arrayContaining([{ drop: null }]) }) },
      ]),
    },
  ],
])('%s %j is what ip and nft themselves say', (kind, params, needs, argv, netns, expected) =>
  withSandbox(async (kernel) => {
    await prepare(kernel, ...needs)
    const operation = bindOperation(parseOperation(kind, params))
    const nothing = async () => [undefined, '[]', '[{}]'].includes(JSON.stringify(await raw(kernel, argv, netns)))
    expect(await nothing()).toBe(true)
    await kernel.run(operation.apply)
    expect(await raw(kernel, argv, netns)).toMatchObject(expected)
    await kernel.run(operation.undo({}, await kernel.read()))
    expect(await nothing()).toBe(true)
  }),
)

it('takes back a cable whose end was moved and renamed', () =>
  withSandbox(async (kernel) => {
    const before = lines(await kernel.read())
    await prepare(
      kernel,
      pair,
      ['netns', { name: 'red' }],
      ['attach-netns', { ifname: 'a', netns: 'red', name: 'eth0' }],
    )
    await kernel.run(bindOperation(parseOperation('veth', { name: 'a', peer: 'b' })).undo({}, await kernel.read()))
    expect(await raw(kernel, 'ip -j link show dev eth0', 'red')).toBeUndefined()
    expect(await raw(kernel, 'ip -j link show dev b')).toBeUndefined()
    await kernel.run(bindOperation(parseOperation('netns', { name: 'red' })).undo({}, await kernel.read()))
    expect(lines(await kernel.read())).toEqual(before)
  }))

const nat = (rule: string) =>
  `add table ip m\nadd chain ip m p { type nat hook postrouting priority srcnat; }\nadd rule ip m p ${rule}\n`

it.each([
  'ip saddr != 10.22.0.0/16 masquerade',
  'ip saddr { 192.168.0.0/24, 192.168.9.0/24 } masquerade',
  'oifname "lo" masquerade',
  'tcp dport 80 masquerade',
])('a rule that leaves 10.22.0.0/16 alone is no masquerade of it: %s', (rule) =>
  withSandbox(async (kernel) => {
    expect((await kernel.probe(['nft', '-f', '-'], undefined, nat(rule))).code).toBe(0)
    expect(
      bindOperation(parseOperation('masquerade', { subnet: '10.22.0.0/16' })).judge(await kernel.read()).status,
    ).toBe('absent')
  }),
)

it.each([
  'ip saddr 10.22.0.0/16 oifname != "cni0" masquerade',
  'ip saddr 10.0.0.0/8 counter masquerade',
  'oifname "eth0" masquerade',
  'ip saddr 10.22.0.0/16 ip daddr != 224.0.0.0/4 masquerade',
])('a rule that masquerades 10.22.0.0/16 on its way out counts, whoever typed it: %s', (rule) =>
  withSandbox(async (kernel) => {
    expect((await kernel.probe(['nft', '-f', '-'], undefined, nat(rule))).code).toBe(0)
    expect(
      bindOperation(parseOperation('masquerade', { subnet: '10.22.0.0/16' })).judge(await kernel.read()).status,
    ).toBe('present')
  }),
)

it.each<[KindName, object, [KindName, object][]]>([
  // nft prints a /32 or /128 as a bare address, which must not be taken for another's.
  ['masquerade', { subnet: '10.22.0.2/32' }, []],
  ['masquerade', { subnet: 'fd00::1/128' }, []],
  // The kernel prints 0.0.0.0/0 as `default`.
  [
    'route',
    { dst: '0.0.0.0/0', via: '10.22.0.1', netns: 'red' },
    [
      ...cable,
      ['address', { address: '10.22.0.2/16', ifname: 'eth0', netns: 'red' }],
      ['up', { ifname: 'eth0', netns: 'red' }],
    ],
  ],
])('%s %j is present once it was done', (kind, params, needs) =>
  withSandbox(async (kernel) => {
    await prepare(kernel, ...needs)
    const operation = bindOperation(parseOperation(kind, params))
    await kernel.run(operation.apply)
    expect(operation.judge(await kernel.read()).status).toBe('present')
  }),
)

// In `ip -batch`, # begins a comment wherever it stands, " at the start of a word a quotation,
// and \ at the end of a line continues it. The interface that is named by the rest of the line is the one that is hit.
it('an interface name that ip -batch reads otherwise is refused, or does not hit another interface', () =>
  withSandbox(async (kernel) => {
    await prepare(kernel, ['bridge', { name: 'a' }])
    await kernel.probe(['ip', 'link', 'add', 'name', 'a#b', 'type', 'bridge'])
    try {
      await kernel.run(bindOperation(parseOperation('bridge', { name: 'a#b' })).undo({}, await kernel.read()))
    } catch {
      // refused is good, too
    }
    expect(await raw(kernel, 'ip -j link show dev a')).toBeDefined()
  }))

it('takes one container out of the set of its network, and the table with the last one', () =>
  withSandbox(async (kernel) => {
    const member = (n: number) =>
      bindOperation(
        parseOperation('masqueraded-address', { ...inNetwork, address: `10.22.0.${n}`, owner: `n/c${n}/eth0` }),
      )
    const set = async () => JSON.stringify(await raw(kernel, 'nft -j list table ip cnilab_network_n'))
    await prepare(kernel, ['network-masquerade', inNetwork])
    for (const n of [2, 3]) await kernel.run(member(n).apply)
    await prepare(kernel, ['network-masquerade', inNetwork]) // again, which changes nothing
    expect((await set()).match(/"masquerade":/g)).toHaveLength(1)
    const other = bindOperation(
      parseOperation('masqueraded-address', { ...inNetwork, address: '10.22.0.2', owner: 'n/x/eth0' }),
    )
    expect(other.judge(await kernel.read())).toMatchObject({ status: 'differs', actual: expect.stringContaining('c2') })
    await expect(kernel.run(other.apply)).rejects.toThrow('File exists')
    await kernel.run(member(2).undo({}, await kernel.read()))
    expect(member(2).judge(await kernel.read()).status).toBe('absent')
    expect(member(3).judge(await kernel.read()).status).toBe('present')
    await kernel.run(member(3).undo({}, await kernel.read()))
    expect(await set()).toBeUndefined()
  }))

it('does in a namespace that is named by its path what it does in one that has a name', () =>
  withSandbox(async (kernel) => {
    const { stdout } = await kernel.probe(['sh', '-c', 'unshare --net sleep 60 >/dev/null 2>&1 & echo $!'])
    const netns = `/proc/${stdout.trim()}/ns/net`
    const isMade = () => kernel.probe(['sh', '-c', `[ "$(readlink ${netns})" != "$(readlink /proc/self/ns/net)" ]`])
    while ((await isMade()).code !== 0) await new Promise((resolve) => setTimeout(resolve, 10))
    const read = () => kernel.read({ namespaces: new Set([netns]) })
    const before = lines(await read())
    const plan: [KindName, object][] = [
      ['veth', { name: 'a', peer: 'eth0', peerNetns: netns }],
      ['address', { address: '10.22.0.2/16', ifname: 'eth0', netns }],
      ['up', { ifname: 'a' }],
      ['up', { ifname: 'eth0', netns }],
      ['route', { dst: 'default', via: '10.22.0.1', netns }],
    ]
    const operations = plan.map(([kind, params]) => bindOperation(parseOperation(kind, params)))
    for (const operation of operations) {
      expect(operation.judge(await read()).status, operation.id).toBe('absent')
      await kernel.run(operation.apply)
      expect(operation.judge(await read()).status, operation.id).toBe('present')
    }
    for (const operation of operations.toReversed()) await kernel.run(operation.undo({}, await read()))
    expect(lines(await read())).toEqual(before)
    await kernel.probe(['kill', stdout.trim()])
  }))

it('takes a cable away although its bridge has its MAC', () =>
  withSandbox(async (kernel) => {
    const cableOf = bindOperation(parseOperation('veth', { name: 'v', peer: 'w', mark: owned }))
    await prepare(kernel, ['bridge', { name: 'br0' }])
    await kernel.run(cableOf.apply)
    await prepare(kernel, ['attach-bridge', { ifname: 'v', bridge: 'br0' }])
    expect(await raw(kernel, 'ip -j link show dev br0')).toMatchObject([{ address: owned.mac }])
    await kernel.run(cableOf.undo({}, await kernel.read()))
    expect(await raw(kernel, 'ip -j link show dev v')).toBeUndefined()
  }))

it('an interface is promiscuous, and then no more', () =>
  withSandbox(async (kernel) => {
    await prepare(kernel, pair)
    const operation = bindOperation(parseOperation('promiscuous', { ifname: 'a' }))
    const flags = async () => JSON.stringify(await raw(kernel, 'ip -j link show dev a'))
    expect(operation.judge(await kernel.read()).status).toBe('absent')
    await kernel.run(operation.apply)
    expect(await flags()).toContain('"PROMISC"')
    expect(operation.judge(await kernel.read()).status).toBe('present')
    await kernel.run(operation.undo({}, await kernel.read()))
    expect(await flags()).not.toContain('"PROMISC"')
    expect(operation.undo({}, await kernel.read())).toEqual([])
  }))
