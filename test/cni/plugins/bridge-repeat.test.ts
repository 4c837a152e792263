import { expect, it } from 'vitest'
import {
  after,
  cni,
  everything,
  everythingButBridge,
  json,
  network,
  noReference,
  OURS,
  pings,
  REFERENCE,
  reserved,
  sh,
  withNamespaces,
} from '../plugin.ts'

const reference = { file: `${REFERENCE}/bridge`, path: [REFERENCE] }

it('an ADD that comes twice is an error, and the first one stays whole', () =>
  withNamespaces(['red', 'blue'], async (kernel) => {
    const first = await cni(kernel, 'ADD', network())
    const state = await everything(kernel)
    expect(await cni(kernel, 'ADD', network())).toMatchObject({
      cniVersion: '1.1.0',
      code: 101,
      msg: expect.stringContaining('already has an interface eth0'),
      details: expect.stringContaining('DEL'),
    })
    expect(await cni(kernel, 'ADD', network(), { containerId: 'another' })).toMatchObject({ code: 101 })
    const elsewhere = await cni(kernel, 'ADD', network(), { containerId: 'c-red', netns: 'blue' })
    expect(elsewhere).toMatchObject({ code: 101, msg: expect.stringContaining('is already on the network mynet') })
    expect(await everything(kernel)).toEqual(state)
    expect(await cni(kernel, 'CHECK', after(network(), first))).toEqual({})
    expect(await pings(kernel, 'red', '10.22.0.1')).toBe(true)
  }))

it('an ADD beside an interface that is no one of ours is an error, and leaves it alone', () =>
  withNamespaces(['red'], async (kernel) => {
    await sh(kernel, 'ip link add name eth0 type bridge', 'red')
    const state = await everything(kernel)
    expect(await cni(kernel, 'ADD', network())).toMatchObject({ code: 101 })
    expect(await everything(kernel)).toEqual(state)
    await sh(kernel, 'ip link add name cni0 type veth peer name other')
    const occupied = await everything(kernel)
    expect(await cni(kernel, 'ADD', network(), { ifname: 'eth1' })).toMatchObject({
      msg: expect.stringContaining('cni0 is a veth, not a bridge'),
    })
    expect(await everything(kernel)).toEqual(occupied)
  }))

it('DEL may come twice, for a container that never was, and when the namespace is gone', () =>
  withNamespaces(['red', 'blue'], async (kernel) => {
    await cni(kernel, 'ADD', network(), { netns: 'blue' })
    const state = await everything(kernel)
    const added = await cni(kernel, 'ADD', network())
    for (const config of [after(network(), added), network(), network()])
      expect(await cni(kernel, 'DEL', config)).toEqual({})
    expect(await everything(kernel)).toEqual(state)
    for (const netns of ['nowhere', '', '/dev/null', '/proc/self/ns/net', '/'])
      expect(await cni(kernel, 'DEL', network(), { containerId: 'never', netns })).toEqual({})
    expect(await everything(kernel)).toEqual(state)
    await cni(kernel, 'ADD', network())
    await sh(kernel, 'ip netns delete red')
    expect(await cni(kernel, 'DEL', network())).toEqual({})
    await sh(kernel, 'ip netns add red')
    expect(await everything(kernel)).toEqual(state)
  }))

it('DEL of one container does not take what another one has under the same interface name', () =>
  withNamespaces(['red'], async (kernel) => {
    const added = await cni(kernel, 'ADD', network())
    const state = await everything(kernel)
    expect(await cni(kernel, 'DEL', network(), { containerId: 'stale' })).toEqual({})
    expect(await everything(kernel)).toEqual(state)
    expect(await cni(kernel, 'DEL', network({ name: 'other' }, { subnet: '10.99.0.0/16' }))).toEqual({})
    expect(await everything(kernel)).toEqual(state)
    expect(await cni(kernel, 'CHECK', after(network(), added))).toEqual({})
  }))

it('the bridge stays after DEL, and the next container has it with the same MAC', () =>
  withNamespaces(['red', 'blue'], async (kernel) => {
    const mac = async () =>
      JSON.stringify(await json(kernel, 'ip -j link show dev cni0')).match(/"address":"([^"]+)/)?.[1]
    const first = await cni(kernel, 'ADD', network())
    const own = first.interfaces?.[0]?.mac
    expect(await mac()).toBe(own)
    await sh(
      kernel,
      'ip link add name low address 00:00:00:00:00:02 type veth peer name x; ip link set dev low master cni0',
    )
    await cni(kernel, 'ADD', network(), { netns: 'blue' })
    expect(await mac()).toBe(own)
    for (const netns of ['red', 'blue']) expect(await cni(kernel, 'DEL', network(), { netns })).toEqual({})
    expect(await mac()).toBe(own)
    expect(await json(kernel, 'ip -j -4 address show dev cni0')).toMatchObject([
      { addr_info: [{ local: '10.22.0.1' }] },
    ])
    expect((await cni(kernel, 'ADD', network())).interfaces?.[0]?.mac).toBe(own)
  }))

it.skipIf(noReference)(`DEL takes away what the reference made, as far as it is seen (needs ${REFERENCE})`, () =>
  withNamespaces(['red', 'blue'], async (kernel) => {
    const config = network({ cniVersion: '1.0.0', ipMasq: false })
    await cni(kernel, 'ADD', config, { ...reference, netns: 'blue' })
    const state = await everythingButBridge(kernel)
    const added = await cni(kernel, 'ADD', config, reference)
    expect(await cni(kernel, 'DEL', after(config, added))).toEqual({})
    expect(await everythingButBridge(kernel)).toEqual(state)
    expect(await pings(kernel, 'blue', '10.22.0.1')).toBe(true)
  }),
)

it.skipIf(noReference)(`ours and the reference take turns on one store (needs ${REFERENCE})`, () =>
  withNamespaces(
    Array.from({ length: 8 }, (_, i) => `n${i}`),
    async (kernel) => {
      const config = network({ cniVersion: '1.0.0' })
      const mixes = [
        { file: `${OURS}/bridge`, path: [REFERENCE] },
        { file: `${REFERENCE}/bridge`, path: [OURS] },
        { file: `${OURS}/bridge`, path: [OURS] },
        reference,
      ]
      const all = Array.from({ length: 8 }, (_, i) => ({ ...mixes[i % 4], netns: `n${i}` }))
      const results = []
      for (const one of all) {
        const result = await cni(kernel, 'ADD', config, one)
        expect(result.msg).toBeUndefined()
        results.push(result)
      }
      expect(results.map(({ ips }) => ips?.[0]?.address)).toEqual(all.map((_, i) => `10.22.0.${i + 2}/16`))
      expect(await reserved(kernel)).toHaveLength(8)
      for (const { netns } of all) expect(await pings(kernel, netns, '10.22.0.1'), netns).toBe(true)
      expect(await pings(kernel, 'n0', '10.22.0.3')).toBe(true)
      for (const [i, one] of all.entries())
        expect(await cni(kernel, 'CHECK', after(config, results[i] ?? {}), one), one.netns).toEqual({})
      // Each is taken away by the other one's mix.
      for (const [i, one] of all.entries())
        expect(await cni(kernel, 'DEL', after(config, results[i] ?? {}), { ...one, ...mixes[(i + 2) % 4] })).toEqual({})
      expect(await reserved(kernel)).toEqual([])
      expect(await json(kernel, 'ip -j link show master cni0')).toEqual([])
      const again = await cni(kernel, 'ADD', config, all[0])
      expect(again.ips?.[0]?.address).toBe('10.22.0.10/16')
    },
  ),
)

it.each(['a#b', "a'b", 'a"b', 'a\\b', '-x', 'a%d', 'all', 'default', 'ü'])(
  'the interface name %j is refused before anything is touched, and DEL succeeds',
  (ifname) =>
    withNamespaces(['red'], async (kernel) => {
      await cni(kernel, 'ADD', network(), { ifname: 'a' })
      const state = await everything(kernel)
      expect(await cni(kernel, 'ADD', network(), { ifname })).toMatchObject({
        code: 4,
        msg: expect.stringContaining(ifname),
      })
      expect(await cni(kernel, 'ADD', network({ bridge: ifname }))).toMatchObject({
        code: 7,
        msg: expect.stringContaining(ifname),
      })
      expect(await cni(kernel, 'DEL', network(), { ifname })).toEqual({})
      expect(await everything(kernel)).toEqual(state)
    }),
)

it.each(['up', 'dev', 'type', 'netns', 'address', 'help', 'a.b', 'a~b', 'fifteen-bytes-x', '007'])(
  'the interface name %s is nothing but a name',
  (ifname) =>
    withNamespaces(['red'], async (kernel) => {
      const added = await cni(kernel, 'ADD', network(), { ifname })
      expect(added.interfaces?.[2]?.name).toBe(ifname)
      expect(await json(kernel, `ip -j link show dev ${ifname}`, 'red')).toMatchObject([{ ifname }])
      expect(await pings(kernel, 'red', '10.22.0.1')).toBe(true)
      expect(await cni(kernel, 'CHECK', after(network(), added), { ifname })).toEqual({})
      expect(await cni(kernel, 'DEL', after(network(), added), { ifname })).toEqual({})
      expect(await json(kernel, 'ip -j link show type veth', 'red')).toEqual([])
    }),
)

it('long ids and names of networks with dots and dashes are told apart', () =>
  withNamespaces(['red', 'blue'], async (kernel) => {
    const config = network({ name: 'my.net-2', macspoofchk: true })
    const ids = ['x', 'y'].map((end) => `${'c'.repeat(199)}${end}`)
    const [red, blue] = ids.map((containerId, i) => ({ containerId, netns: i === 0 ? 'red' : 'blue' }))
    const first = await cni(kernel, 'ADD', config, red)
    expect((await cni(kernel, 'ADD', config, blue)).msg).toBeUndefined()
    expect(await cni(kernel, 'CHECK', after(config, first), red)).toEqual({})
    expect(await reserved(kernel)).toEqual(['my.net-2/10.22.0.2', 'my.net-2/10.22.0.3'])
    expect(await cni(kernel, 'DEL', config, blue)).toEqual({})
    expect(await cni(kernel, 'CHECK', after(config, first), red)).toEqual({})
    const valid = [{ containerID: ids[0], ifname: 'eth0' }]
    expect(await cni(kernel, 'GC', { ...config, 'cni.dev/valid-attachments': valid })).toEqual({})
    expect(await cni(kernel, 'CHECK', after(config, first), red)).toEqual({})
    expect(await cni(kernel, 'GC', { ...config, 'cni.dev/valid-attachments': [] })).toEqual({})
    expect(await sh(kernel, 'nft list ruleset')).toBe('')
    expect(await reserved(kernel)).toEqual([])
  }))

it('a network of a long name works, too', () =>
  withNamespaces(['red'], async (kernel) => {
    const config = network({ name: 'n'.repeat(200) })
    const added = await cni(kernel, 'ADD', config)
    expect(added.msg).toBeUndefined()
    expect(await cni(kernel, 'CHECK', after(config, added))).toEqual({})
    expect(await cni(kernel, 'DEL', config)).toEqual({})
    expect(await sh(kernel, 'nft list ruleset')).toBe('')
    await cni(kernel, 'ADD', config)
    expect(await cni(kernel, 'GC', { ...config, 'cni.dev/valid-attachments': [] })).toEqual({})
    expect(await json(kernel, 'ip -j link show type veth', 'red')).toEqual([])
  }))
