// The types whose interface is in the container alone, on another one of the host's or of the container's. Those that this
// kernel may lack are tried in test/operations/second-kernel.test.ts.
import { spawnSync } from 'node:child_process'
import { expect, it } from 'vitest'
import type { Kernel } from '../../../src/kernel/kernel.ts'
import { passingName } from '../../../src/operations/made-link.ts'
import { UPLINK } from '../../../src/state/state.ts'
import {
  after,
  type Attached,
  cni,
  type Config,
  everything,
  keeping,
  OURS,
  pings,
  sh,
  withNamespaces,
} from '../plugin.ts'

const ranges = [[{ subnet: '10.23.0.0/16' }], [{ subnet: 'fd23::/64' }]]
const routes = [{ dst: '0.0.0.0/0' }, { dst: '::/0' }]

/** A network on the cable lan0, which leads to the namespace lan. */
const network = (more: object = {}): Config => ({
  cniVersion: '1.1.0',
  name: 'mynet',
  type: 'macvlan',
  master: 'lan0',
  ipam: { type: 'host-local', ranges, routes },
  ...more,
})
const macvlan = network()
const file = `${OURS}/macvlan`

const LAN = `ip link add name lan0 type veth peer name eth0 netns lan; ip link set dev lan0 up
  ip -n lan address add 10.23.0.1/16 dev eth0; ip -n lan address add fd23::1/64 dev eth0 nodad; ip -n lan link set dev eth0 up`

/** Runs `use` where lan0 leads to lan. */
const withLan = (use: (kernel: Kernel) => Promise<void>) =>
  withNamespaces(['lan', 'red', 'blue'], async (kernel) => {
    await sh(kernel, LAN)
    await use(kernel)
  })

const call = (kernel: Kernel, command: 'ADD' | 'DEL' | 'CHECK' | 'GC' | 'STATUS', config: Config, who: Attached = {}) =>
  cni(kernel, command, config, { file, ...who })

it('macvlan: containers reach each other and the network of the parent; CHECK sees what was changed; DEL and GC leave nothing', () =>
  withLan(async (kernel) => {
    const before = await everything(kernel)
    const red = await call(kernel, 'ADD', macvlan)
    const blue = await call(kernel, 'ADD', network({ mtu: 1400, bcqueuelen: 2000 }), { netns: 'blue' })
    expect(red.interfaces).toEqual([
      { name: 'eth0', mac: expect.stringMatching(/^02:/), mtu: 1500, sandbox: '/run/netns/red' },
    ])
    expect(red.ips).toEqual([
      { address: '10.23.0.2/16', gateway: '10.23.0.1', interface: 0 },
      { address: 'fd23::2/64', gateway: 'fd23::1', interface: 0 },
    ])
    expect(await sh(kernel, 'ip -d link show eth0', 'red')).toMatch(
      new RegExp(
        `link/ether ${red.interfaces?.[0]?.mac} .*macvlan mode bridge.*alias made by cnilab for mynet/c-red/eth0`,
        's',
      ),
    )
    expect(await sh(kernel, 'ip -d link show eth0', 'blue')).toMatch(/mtu 1400 .*macvlan mode bridge bcqueuelen 2000/s)
    expect(await sh(kernel, 'cat /proc/sys/net/ipv4/conf/eth0/arp_notify', 'red')).toBe('1\n')
    for (const address of ['10.23.0.1', 'fd23::1', '10.23.0.3', 'fd23::3'])
      expect([address, await pings(kernel, 'red', address)]).toEqual([address, true])
    expect(await sh(kernel, 'ip route get 8.8.8.8', 'red')).toContain('via 10.23.0.1 dev eth0')

    const check = () => call(kernel, 'CHECK', after(macvlan, red))
    for (const [breakIt, mend] of [
      ['ip link set dev eth0 type macvlan mode private', 'ip link set dev eth0 type macvlan mode bridge'],
      ['ip link set dev eth0 address 02:00:00:00:00:99', `ip link set dev eth0 address ${red.interfaces?.[0]?.mac}`],
      [
        'ip address delete 10.23.0.2/16 dev eth0',
        'ip address add 10.23.0.2/16 dev eth0; ip route add default via 10.23.0.1',
      ],
      ['ip route delete default', 'ip route add default via 10.23.0.1'],
      ['ip link delete dev eth0', ':'],
    ] as const) {
      expect(await check()).toEqual({})
      await sh(kernel, breakIt, 'red')
      expect([breakIt, (await check()).code]).toEqual([breakIt, 102])
      await sh(kernel, mend, 'red')
    }
    expect(await call(kernel, 'GC', keeping(macvlan, 'c-blue'))).toEqual({})
    expect(await call(kernel, 'CHECK', after(network({ mtu: 1400 }), blue), { netns: 'blue' })).toEqual({})
    // Another network's DEL, and one of another container, leave it alone.
    expect(await call(kernel, 'DEL', network({ name: 'other' }), { netns: 'blue' })).toEqual({})
    expect(await call(kernel, 'DEL', macvlan, { netns: 'blue', containerId: 'other' })).toEqual({})
    expect(await pings(kernel, 'blue', '10.23.0.1')).toBe(true)
    expect(await call(kernel, 'GC', keeping(macvlan))).toEqual({})
    expect(await everything(kernel)).toEqual(before)

    for (const end of ['red', '']) {
      const again = await call(kernel, 'ADD', macvlan)
      if (end === '') await sh(kernel, 'ip netns delete red')
      expect(await call(kernel, 'DEL', after(macvlan, again), { netns: end, containerId: 'c-red' })).toEqual({})
      expect(await call(kernel, 'DEL', macvlan, { netns: end, containerId: 'c-red' })).toEqual({})
    }
    await sh(kernel, 'ip netns add red')
    expect(await everything(kernel)).toEqual(before)
  }))

it('macvlan: the other keys, and whose MAC address it gets', () =>
  withLan(async (kernel) => {
    const macOf = async (config: Config, who: Attached = {}) => {
      const { interfaces, msg } = await call(kernel, 'ADD', config, who)
      expect(await call(kernel, 'DEL', config, who)).toEqual({})
      return interfaces?.[0]?.mac ?? msg
    }
    const own = { mac: '02:00:00:00:00:0a' }
    expect(await macOf(network(own))).toBe(own.mac)
    expect(await macOf(network(own), { args: 'MAC=02:00:00:00:00:0B' })).toBe('02:00:00:00:00:0b')
    const byRuntime = network({ ...own, runtimeConfig: { mac: '02:00:00:00:00:0c' } })
    expect(await macOf(byRuntime, { args: 'MAC=02:00:00:00:00:0B' })).toBe('02:00:00:00:00:0c')
    const parent = (await sh(kernel, 'cat /sys/class/net/lan0/address')).trim()
    expect(await macOf(network({ mode: 'passthru' }))).toBe(parent)
    expect(await macOf(network({ mode: 'passthru', ...own }))).toContain('passthru')

    // Two that are private do not see each other.
    const secret = network({ mode: 'private' })
    await call(kernel, 'ADD', secret)
    await call(kernel, 'ADD', secret, { netns: 'blue' })
    expect([await pings(kernel, 'red', '10.23.0.1'), await pings(kernel, 'red', '10.23.0.3')]).toEqual([true, false])

    // Without a master it is the interface of the default route, which has gone by the time of CHECK.
    const address = `${UPLINK.address.replace(/\d+$/, '77')}/${UPLINK.prefix}`
    const outside = network({ name: 'out', master: undefined, ipam: { type: 'static', addresses: [{ address }] } })
    const out = await call(kernel, 'ADD', outside, { ifname: 'net1' })
    expect(await pings(kernel, 'red', UPLINK.gateway)).toBe(true)
    await sh(kernel, 'ip route delete default')
    expect(await call(kernel, 'CHECK', after(outside, out), { ifname: 'net1' })).toEqual({})
    expect(await call(kernel, 'ADD', outside, { netns: 'blue', ifname: 'net1' })).toMatchObject({
      code: 7,
      msg: expect.stringContaining('default route'),
    })
    expect(await call(kernel, 'DEL', outside, { ifname: 'net1' })).toEqual({})

    // On an interface of the container, without addresses.
    const inner = network({ name: 'inner', master: 'eth0', linkInContainer: true, ipam: {} })
    const got = await call(kernel, 'ADD', { ...inner, master: undefined }, { ifname: 'net1' })
    expect(await sh(kernel, 'ip -d link show net1', 'red')).toContain('macvlan mode bridge')
    expect(await call(kernel, 'CHECK', after(inner, got), { ifname: 'net1' })).toEqual({})
    expect(await call(kernel, 'ADD', { ...inner, master: 'lan0' }, { ifname: 'net2' })).toMatchObject({ code: 7 })
    expect(await call(kernel, 'STATUS', inner)).toEqual({})
  }))

it('macvlan: an ADD that cannot be leaves nothing, and DEL takes what another plugin or a killed one left', () =>
  withLan(async (kernel) => {
    const before = await everything(kernel)
    const lost = { type: 'host-local', ranges, routes: [{ dst: '10.99.0.0/16', gw: '10.98.0.1' }] }
    for (const [more, code, words] of [
      [{ master: 'nosuch' }, 7, 'no interface nosuch'],
      [{ mtu: 9000 }, 7, 'more than the 1500 of lan0'],
      [{ mode: 'odd' }, 7, 'one of bridge, private, vepa, passthru'],
      [{ ipam: lost }, 100, ''],
    ] as const) {
      expect(await call(kernel, 'ADD', network(more))).toMatchObject({ code, msg: expect.stringContaining(words) })
      expect(await everything(kernel)).toEqual(before)
    }
    expect(await call(kernel, 'STATUS', macvlan)).toEqual({})
    expect(await call(kernel, 'STATUS', network({ master: 'nosuch' }))).toMatchObject({ code: 50 })
    // Of those names, one is in the container, and one on the host.
    await sh(kernel, 'ip link add link lan0 name eth0 netns red type macvlan mode bridge')
    expect(await call(kernel, 'ADD', macvlan)).toMatchObject({ code: 101 })
    const passing = passingName({ name: 'eth0', netns: 'red' })
    await sh(kernel, `ip link add link lan0 name ${passing} netns red type macvlan mode bridge`)
    expect(await call(kernel, 'DEL', macvlan)).toEqual({})
    expect(await everything(kernel)).toEqual(before)
    await sh(kernel, 'ip -n red link add name eth0 type bridge')
    expect(await call(kernel, 'DEL', macvlan)).toEqual({})
    expect(await sh(kernel, 'ip -br link show eth0', 'red')).toMatch(/^eth0/)
  }))

const lacks = (...words: string[]) =>
  spawnSync('unshare', ['-Urn', 'ip', 'link', 'add', 'name', 'x', ...words]).status !== 0

it.skipIf(!lacks('type', 'dummy') || !lacks('link', 'lo', 'type', 'vlan', 'id', '1'))(
  'vlan, ipvlan, dummy: what is wrong with the configuration or the kernel is said, and nothing is left (skipped on a kernel that has them)',
  () =>
    withLan(async (kernel) => {
      const before = await everything(kernel)
      const vlan = { type: 'vlan', vlanId: 10 }
      for (const [more, code, words] of [
        [{ ...vlan, master: undefined }, 7, '"master": it is missing'],
        [{ ...vlan, vlanId: 4095 }, 7, '"vlanId"'],
        [{ ...vlan, ipam: undefined }, 7, 'which the type vlan requires'],
        [{ ...vlan, mtu: 1501 }, 7, 'more than the 1500 of lan0'],
        [vlan, 100, 'this kernel has no interfaces of the type vlan'],
        [{ type: 'ipvlan', mode: 'l4' }, 7, 'one of l2, l3, l3s'],
        [{ type: 'ipvlan', ipam: {} }, 7, 'which the type ipvlan requires'],
        [{ type: 'ipvlan', runtimeConfig: { mac: '02:00:00:00:00:0c' } }, 7, 'the MAC address of lan0'],
        [{ type: 'ipvlan' }, 100, 'this kernel has no interfaces of the type ipvlan'],
        [{ type: 'dummy', ipam: {} }, 7, 'which the type dummy requires'],
        [{ type: 'dummy' }, 100, 'this kernel has no interfaces of the type dummy'],
      ] as const) {
        const config = network(more)
        const own = { file: `${OURS}/${more.type}` }
        expect(await call(kernel, 'ADD', config, own)).toMatchObject({ code, msg: expect.stringContaining(words) })
        expect(await call(kernel, 'DEL', config, own)).toEqual({})
        expect(await everything(kernel)).toEqual(before)
      }
    }),
)
