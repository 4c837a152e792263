import { expect, it } from 'vitest'
import type { Kernel } from '../../src/kernel/kernel.ts'
import { derive, type KindName, parseOperation } from '../../src/operations/registry.ts'
import { describe as lines } from '../../src/state/diff.ts'
import { withSandbox } from '../helpers.ts'

/** Does operations that a test builds upon. */
async function prepare(kernel: Kernel, ...operations: [KindName, object][]): Promise<void> {
  for (const [kind, params] of operations) await kernel.run(derive(parseOperation(kind, params)).apply)
}

const pair: [KindName, object] = ['veth', { name: 'a', peer: 'b' }]
const cable: [KindName, object][] = [
  ['netns', { name: 'red' }],
  ['veth', { name: 'a', peer: 'eth0', peerNetns: 'red' }],
]

// Names that are keywords of ip, on purpose.
it.each<[KindName, object, [KindName, object][]]>([
  ['netns', { name: 'red' }, []],
  ['bridge', { name: 'up' }, []],
  ['bridge', { name: 'b', mark: { mac: '02:00:00:00:00:01' } }, []],
  ['veth', { name: 'a', peer: 'dev' }, []],
  ['veth', { name: 'a', peer: 'eth0', peerNetns: 'red' }, [['netns', { name: 'red' }]]],
  ['attach-netns', { ifname: 'b', netns: 'red' }, [['netns', { name: 'red' }], pair]],
  ['attach-netns', { ifname: 'b', netns: 'red', name: 'eth0' }, [['netns', { name: 'red' }], pair]],
  ['attach-bridge', { ifname: 'b', bridge: 'br0' }, [['bridge', { name: 'br0' }], pair]],
  ['address', { address: '10.22.0.2/16', ifname: 'a' }, [pair]],
  ['address', { address: 'fd00::2/64', ifname: 'eth0', netns: 'red' }, cable],
  ['up', { ifname: 'a' }, [pair]],
  ['up', { ifname: 'eth0', netns: 'red', linkLocal: false }, cable],
  [
    'route',
    { dst: 'default', via: '10.22.0.1', netns: 'red' },
    [
      ...cable,
      ['address', { address: '10.22.0.2/16', ifname: 'eth0', netns: 'red' }],
      ['up', { ifname: 'eth0', netns: 'red' }],
    ],
  ],
  [
    'route',
    { dst: 'fd01::/64', via: 'fd00::1' },
    [pair, ['address', { address: 'fd00::2/64', ifname: 'a' }], ['up', { ifname: 'a' }], ['up', { ifname: 'b' }]],
  ],
  ['sysctl', { key: 'net.ipv4.ip_forward', value: '1' }, []],
  ['masquerade', { subnet: '10.22.0.0/16' }, []],
  ['masquerade', { subnet: 'fd00::/64' }, []],
])('%s %j is absent, then present, then as before', (kind, params, needs) =>
  withSandbox(async (kernel) => {
    await prepare(kernel, ...needs)
    const operation = derive(parseOperation(kind, params))
    const first = await kernel.read()
    const verdict = operation.judge(first)
    expect(verdict.status).toBe('absent')
    await kernel.run(operation.apply)
    const second = await kernel.read()
    expect(operation.judge(second)).toMatchObject({ status: 'present' })
    expect(lines(second)).not.toEqual(lines(first))
    await kernel.run(operation.undo(verdict.status === 'absent' ? verdict.before : {}, second))
    expect(lines(await kernel.read())).toEqual(lines(first))
  }),
)

it('finds a veth whose end was moved and renamed, and takes its own uplink for nobody else', () =>
  withSandbox(async (kernel) => {
    const veth = derive(parseOperation('veth', { name: 'a', peer: 'b' }))
    await prepare(kernel, ['netns', { name: 'red' }], pair, [
      'attach-netns',
      { ifname: 'a', netns: 'red', name: 'eth0' },
    ])
    expect(veth.judge(await kernel.read()).status).toBe('present')
    const inPlace = derive(parseOperation('veth', { name: 'x', peer: 'eth0', peerNetns: 'blue' }))
    await prepare(kernel, ['netns', { name: 'blue' }])
    expect(inPlace.judge(await kernel.read()).status).toBe('absent')
  }))

it('says what is in the way and what is missing', () =>
  withSandbox(async (kernel) => {
    await prepare(kernel, pair)
    const now = await kernel.read()
    expect(derive(parseOperation('bridge', { name: 'a' })).judge(now).status).toBe('differs')
    expect(derive(parseOperation('attach-netns', { ifname: 'a', netns: 'red' })).judge(now)).toMatchObject({
      status: 'blocked',
      missing: 'netns:red',
    })
    expect(derive(parseOperation('up', { ifname: 'nope' })).judge(now)).toMatchObject({
      status: 'blocked',
      missing: 'link:host/nope',
    })
  }))

it('accepts a masquerade rule that was typed by hand', () =>
  withSandbox(async (kernel) => {
    await kernel.probe(['iptables', '-t', 'nat', '-A', 'POSTROUTING', '-s', '10.0.0.0/8', '-j', 'MASQUERADE'])
    const byIptables = derive(parseOperation('masquerade', { subnet: '10.22.0.0/16' })).judge(
      await kernel.read(),
    ).status
    await kernel.probe(
      ['nft', '-f', '-'],
      undefined,
      'add table ip mine\nadd chain ip mine post { type nat hook postrouting priority srcnat; }\nadd rule ip mine post ip saddr 172.16.0.0/12 masquerade\n',
    )
    const now = await kernel.read()
    expect(derive(parseOperation('masquerade', { subnet: '172.16.5.0/24' })).judge(now).status).toBe('present')
    expect(derive(parseOperation('masquerade', { subnet: '192.168.0.0/24' })).judge(now).status).toBe('absent')
    const { stdout } = await kernel.probe(['sh', '-c', 'command -v iptables || true'])
    expect(byIptables).toBe(stdout === '' ? 'absent' : 'present')
  }))
