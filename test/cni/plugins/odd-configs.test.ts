import { beforeAll, afterAll, describe, expect, it } from 'vitest'
import { bridgeConfig } from '../../../src/cni/plugins/bridge-config.ts'
import type { Kernel } from '../../../src/kernel/kernel.ts'
import { after, cni, everything, everythingButBridge, network, OURS, pings, sh, withNamespaces } from '../plugin.ts'

/** One sandbox for all cases: each leaves it as it was. */
let kernel: Kernel
const done = Promise.withResolvers<void>()
let ended: Promise<void>
beforeAll(async () => {
  const started = Promise.withResolvers<void>()
  ended = withNamespaces(['red', 'blue'], async (one) => {
    kernel = one
    await sh(kernel, 'sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1')
    started.resolve()
    await done.promise
  })
  await Promise.race([started.promise, ended])
})
afterAll(async () => {
  done.resolve()
  await ended
})

describe('keys in other capitals, and null', () => {
  it('make the same network', async () => {
    const before = await everythingButBridge(kernel)
    const config = {
      CNIVersion: '1.0.0',
      Name: 'mynet',
      Type: 'bridge',
      IsDefaultgateway: true,
      ipmasq: true,
      forceAddress: null,
      vlanTrunk: null,
      IPAM: { Type: 'host-local', Ranges: [[{ Subnet: '10.22.0.0/16', gateway: null }]], routes: null },
    }
    const added = await cni(kernel, 'ADD', config)
    expect(added).toMatchObject({ ips: [{ address: '10.22.0.2/16', gateway: '10.22.0.1' }] })
    expect(added.routes).toEqual([{ dst: '0.0.0.0/0', gw: '10.22.0.1' }])
    expect(await pings(kernel, 'red', '203.0.113.1')).toBe(true)
    const { dns: _dns, ...rest } = added
    const PrevResult = { ...rest, IPs: added.ips, Interfaces: added.interfaces, ips: null, interfaces: null }
    expect(await cni(kernel, 'CHECK', { ...config, PrevResult })).toEqual({})
    expect(await cni(kernel, 'DEL', config)).toEqual({})
    expect(await everythingButBridge(kernel)).toEqual(before)
  })

  it.each([
    ['no type', { subnet: '10.22.0.0/16' }],
    ['text', 'host-local'],
    ['a name of a key that is nearly right', { tipe: 'host-local', subnet: '10.22.0.0/16' }],
  ])('that leave a container without an address are refused: "ipam" is %s', async (_, ipam) => {
    const before = await everything(kernel)
    expect(await cni(kernel, 'ADD', network({ ipam }))).toMatchObject({ code: 7, msg: expect.stringContaining('ipam') })
    expect(await cni(kernel, 'DEL', network({ ipam }))).toEqual({})
    expect(await everything(kernel)).toEqual(before)
  })

  it.each([[null], [{}]])('may say on purpose that there is none: %j', async (ipam) => {
    const added = await cni(kernel, 'ADD', network({ ipam }))
    expect(added.ips).toBeUndefined()
    expect(added.interfaces).toHaveLength(3)
    expect(await cni(kernel, 'CHECK', after(network({ ipam }), added))).toEqual({})
    expect(await cni(kernel, 'DEL', network({ ipam }))).toEqual({})
  })
})

describe('a plan does not collide with itself, or with what the kernel makes by itself', () => {
  const own = '10.22.0.0/24'
  const local = { type: 'host-local', subnet: own }
  const fixed = (...addresses: [address: string, gateway?: string][]) => ({
    type: 'static',
    addresses: addresses.map(([address, gateway]) => ({ address, gateway })),
  })
  const all = { dst: '0.0.0.0/0' }
  it.each<[string, object, RegExp]>([
    [
      'addresses and routes that are named twice, or that the kernel has by itself, and such in other tables',
      {
        ...fixed(['10.22.0.5/24'], ['10.22.0.5/24'], ['10.22.0.6/24']),
        routes: [
          all,
          { dst: own },
          { dst: own, gw: '10.22.0.1' },
          { ...all, gw: '10.22.0.1' },
          { ...all, table: 100 },
          { ...all, priority: 7 },
        ],
      },
      /default via 10.22.0.1 dev eth0 *\ndefault via 10.22.0.1 dev eth0 metric 7/,
    ],
    [
      'two gateways to one subnet, of which the first wins',
      {
        ...local,
        routes: [
          { dst: '192.0.2.0/24', gw: '10.22.0.1' },
          { dst: '192.0.2.0/24', gw: '10.22.0.9' },
        ],
      },
      /192.0.2.0\/24 via 10.22.0.1 dev eth0 *\n192.0.2.0\/24 via 10.22.0.9 dev eth0 metric 1/,
    ],
    ['two addresses', { ranges: [[{ subnet: own }], [{ subnet: '10.24.0.0/24' }]], type: 'host-local' }, /10.24.0.0/],
    ['a pair of addresses', { ...fixed(['10.22.0.1/31']), routes: [all] }, /default via 10.22.0.0/],
    [
      'a link-local gateway',
      { ...fixed(['10.22.0.5/24'], ['fd22::5/64', 'fe80::1']), routes: [all, { dst: '::/0' }] },
      /default via 10.22/,
    ],
    [
      'the link-local address that is the host’s',
      { ...fixed(['10.22.0.5/24'], ['fe80::1/64', 'fe80::9']), routes: [all] },
      /default via 10.22/,
    ],
  ])('%s', async (_, ipam, expected) => {
    // What is in the subnet of a container of ptp is behind the gateway, and so no gateway of its own.
    for (const type of JSON.stringify(ipam).includes('10.22.0.9') ? ['bridge'] : ['bridge', 'ptp']) {
      const before = await everythingButBridge(kernel)
      const config = network({ type, isDefaultGateway: type === 'bridge', forceAddress: true, ipam })
      const attached = { file: `${OURS}/${type}` }
      const added = await cni(kernel, 'ADD', config, attached)
      expect(added.msg, type).toBeUndefined()
      const routes = await sh(kernel, 'ip route', 'red')
      const isOut = await pings(kernel, 'red', '203.0.113.1')
      const checked = await cni(kernel, 'CHECK', after(config, added), attached)
      expect(await cni(kernel, 'DEL', after(config, added), attached)).toEqual({})
      expect(routes, type).toMatch(expected)
      expect([isOut, checked], type).toEqual([type === 'bridge' || 'routes' in ipam, {}])
      expect(await everythingButBridge(kernel), type).toEqual(before)
    }
  })

  it.each([
    ['is the gateway', fixed(['10.22.0.1/24']), 'the gateway 10.22.0.1 of 10.22.0.1/24 is an address of the container'],
    ['has no room for a gateway', fixed(['10.22.0.5/32']), 'its subnet has no other address'],
  ])('what cannot work is refused: the address of the container %s', async (_, ipam, msg) => {
    const before = await everything(kernel)
    for (const type of ['bridge', 'ptp'])
      expect(await cni(kernel, 'ADD', network({ type, ipam }), { file: `${OURS}/${type}` })).toMatchObject({
        code: 7,
        msg: expect.stringContaining(msg),
      })
    expect(await everything(kernel)).toEqual(before)
  })

  it('a port of the host that is named for all addresses in several ways is one', async () => {
    const config = network({ bridge: 'cni1', ipMasq: false }, { subnet: '10.25.0.0/16' })
    const prevResult = await cni(kernel, 'ADD', config)
    const portMappings = ['', '0.0.0.0', '::'].map((hostIP) => ({ hostPort: 8080, containerPort: 80, hostIP }))
    const ports = { cniVersion: '1.1.0', name: 'mynet', type: 'portmap', runtimeConfig: { portMappings }, prevResult }
    const file = `${OURS}/portmap`
    expect((await cni(kernel, 'ADD', ports, { file })).msg).toBeUndefined()
    expect(await cni(kernel, 'CHECK', ports, { file })).toEqual({})
    const six = { ...ports, runtimeConfig: { portMappings: [{ hostPort: 8081, containerPort: 80, hostIP: '::' }] } }
    expect(await cni(kernel, 'ADD', six, { file })).toMatchObject({ code: 7 })
    expect(await cni(kernel, 'DEL', ports, { file })).toEqual({})
    expect(await cni(kernel, 'DEL', config)).toEqual({})
    expect(await sh(kernel, 'nft list ruleset')).toBe('')
  })
})

it.each([
  [
    15,
    [
      { first: 10, last: 14 },
      { first: 16, last: 20 },
      { first: 30, last: 30 },
    ],
  ],
  [30, [{ first: 10, last: 20 }]],
  [
    0,
    [
      { first: 10, last: 20 },
      { first: 30, last: 30 },
    ],
  ],
])("a port's own VLAN, %i, has no tag, also where it is in a range of the trunk", (vlan, tagged) => {
  const vlanTrunk = [{ minID: 10, maxID: 20 }, { id: 30 }]
  const call = { ...CALL, config: network({ vlan, vlanTrunk }) }
  expect(bridgeConfig(call).vlans?.tagged).toEqual(tagged)
})

const CALL = {
  network: 'mynet',
  containerId: 'c',
  ifname: 'eth0',
  netns: '/run/netns/red',
  args: {},
  path: [],
  version: '1.1.0' as const,
  prevResult: undefined,
}

it.each([
  ['/run', 'is a folder'],
  ['/proc/self/ns/mnt', 'is a namespace of another kind (mnt)'],
  ['/etc/passwd', 'no network namespace is mounted on it'],
  ['/proc/self/ns/net', "is the host's own network namespace"],
])('what is no namespace of a container is refused: %s', async (netns, msg) => {
  const before = await everything(kernel)
  const refused = await cni(kernel, 'ADD', network(), { netns })
  expect(refused).toMatchObject({ code: 8, msg: expect.stringContaining(msg) })
  expect(await cni(kernel, 'DEL', network(), { netns })).toEqual({})
  expect(await everything(kernel)).toEqual(before)
})

it('DEL does not fail for what has nothing to do with it, nor for what has changed since ADD; GC knows no attachment by default', async () => {
  const config = network({ macspoofchk: true, bridge: 'cni2' }, { subnet: '10.26.0.0/16' })
  const before = await everythingButBridge(kernel, 'cni2')
  const bad = network(
    { bridge: 5, mtu: 'big', vlan: -1, isGateway: 'yes', args: 7, prevResult: { ips: 'x' }, macspoofchk: null },
    { subnet: 'x', routes: [{}] },
  )
  const added = await cni(kernel, 'ADD', config)
  // As the reference does it, for programs that ask the interface.
  expect(await sh(kernel, 'ip -4 -o address show eth0', 'red')).toMatch(
    /10\.26\.0\.2\/16 brd 10\.26\.255\.255 scope global/,
  )
  expect(await sh(kernel, 'ip -4 -o address show cni2')).toMatch(/10\.26\.0\.1\/16 brd 10\.26\.255\.255 scope global/)
  expect(added.msg).toBeUndefined()
  expect(await cni(kernel, 'DEL', bad, { args: 'nonsense' })).toEqual({})
  expect(await everythingButBridge(kernel, 'cni2')).toEqual(before)
  await cni(kernel, 'ADD', config)
  expect(await cni(kernel, 'GC', config)).toEqual({})
  expect(await everythingButBridge(kernel, 'cni2')).toEqual(before)
})

it('advice is good on a node without cnilab, and takes nothing of the machine away', async () => {
  await sh(
    kernel,
    'ip link add name theirs type bridge; ip address add 192.168.7.1/24 dev theirs; ip link add name cni9 type dummy 2>/dev/null || ip link add name cni9 type veth peer name cni8',
  )
  const advice = []
  for (const config of [
    network({ bridge: 'theirs' }),
    network({ bridge: 'cni9' }),
    network({}, { type: 'nothing' }),
    network({ ipam: 'x' }),
  ]) {
    const { code, details } = await cni(kernel, 'ADD', config)
    expect(code).toBeGreaterThan(0)
    advice.push(details)
  }
  expect(advice.join('\n')).not.toMatch(/cnilab |address delete|remove it/)
  expect(advice.map((one) => one !== undefined && one !== '')).not.toContain(false)
  await sh(kernel, 'ip link delete theirs; ip link delete cni9')
})

it('a log has one line for each call, by the environment or the configuration', async () => {
  const config = network({ cnilabLog: '/run/calls' }, { subnet: '10.27.0.0/16' })
  await cni(kernel, 'ADD', { ...config, bridge: 'cni3' })
  await cni(kernel, 'ADD', { ...config, bridge: 'cni3' })
  await cni(kernel, 'DEL', { ...config, bridge: 'cni3' })
  await cni(kernel, 'STATUS', { ...config, ipam: { type: 'static' } })
  const script = `echo '{"cniVersion":"1.0.0","name":"lo"}' | CNILAB_LOG=/run/calls CNI_COMMAND=ADD CNI_CONTAINERID=c CNI_NETNS=/run/netns/red CNI_IFNAME=lo ${OURS}/loopback >/dev/null`
  await sh(kernel, script)
  const lines = (await sh(kernel, 'cat /run/calls')).trimEnd().split('\n')
  const common = String.raw`^\d{4}-\d\d-\d\dT[\d:.]+Z`
  const of = String.raw`network=mynet container=c-red interface=eth0 \d+ ms`
  expect(lines).toEqual([
    expect.stringMatching(`${common} bridge ADD ${of} ok$`),
    expect.stringMatching(`${common} bridge ADD ${of} error 101: container c-red already has an interface eth0`),
    expect.stringMatching(`${common} bridge DEL ${of} ok$`),
    expect.stringMatching(String.raw`${common} bridge STATUS network=mynet \d+ ms ok$`),
    expect.stringMatching(String.raw`${common} loopback ADD network=lo container=c interface=lo \d+ ms ok$`),
  ])
})
