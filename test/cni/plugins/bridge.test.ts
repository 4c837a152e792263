import { expect, it } from 'vitest'
import { VERSIONS } from '../../../src/cni/protocol/versions.ts'
import type { Kernel } from '../../../src/kernel/kernel.ts'
import { call, startInternet } from '../../../src/kernel/packets.ts'
import { after, cni, everything, json, network, pings, sh, withNamespaces } from '../plugin.ts'

const INTERNET = { protocol: 'tcp', to: '203.0.113.1', port: 7 } as const

/** The address of a container as the internet sees it; undefined if it does not get there and back. */
async function seenFrom(kernel: Kernel, netns: string): Promise<string | undefined> {
  await startInternet(kernel.host)
  const { ok, detail } = await call(kernel, netns, INTERNET, 2)
  return ok ? detail.replace('you are ', '') : undefined
}

/** The container's address, without its prefix. */
const addressOf = ({ ips }: { ips?: { address: string }[] | undefined }) => ips?.[0]?.address.split('/')[0] ?? ''

it('makes what ip and nft then show, and the container reaches the internet with the address of the host', () =>
  withNamespaces(['red'], async (kernel) => {
    const result = await cni(kernel, 'ADD', network())
    const [bridge, host, container] = result.interfaces ?? []
    expect(result).toMatchObject({
      cniVersion: '1.1.0',
      interfaces: [{ name: 'cni0' }, { name: expect.stringMatching(/^veth/) }, { name: 'eth0' }],
      ips: [{ address: '10.22.0.2/16', gateway: '10.22.0.1', interface: 2 }],
      routes: [{ dst: '0.0.0.0/0' }],
    })
    expect(container?.sandbox).toBe('/run/netns/red')
    expect(await json(kernel, 'ip -j -d address show dev cni0')).toMatchObject([
      {
        address: bridge?.mac,
        mtu: bridge?.mtu,
        flags: expect.arrayContaining(['UP']),
        linkinfo: { info_kind: 'bridge' },
        addr_info: [{ local: '10.22.0.1', prefixlen: 16 }, { family: 'inet6' }],
      },
    ])
    expect(await json(kernel, 'ip -j link show master cni0')).toMatchObject([
      { ifname: host?.name, address: host?.mac, mtu: host?.mtu, flags: expect.arrayContaining(['UP']) },
    ])
    expect(await json(kernel, 'ip -j address show dev eth0', 'red')).toMatchObject([
      { address: container?.mac, mtu: container?.mtu, addr_info: [{ local: '10.22.0.2', prefixlen: 16 }, {}] },
    ])
    expect(await json(kernel, 'ip -j route show default', 'red')).toMatchObject([{ gateway: '10.22.0.1', dev: 'eth0' }])
    expect(await sh(kernel, 'cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/cni0/accept_ra')).toBe('1\n0\n')
    expect(await pings(kernel, 'red', '10.22.0.1')).toBe(true)
    expect(await seenFrom(kernel, 'red')).toBe('203.0.113.2')
    expect(await cni(kernel, 'CHECK', after(network(), result))).toEqual({})
  }))

it('without ipMasq no rule is made, and no answer comes from an internet that knows no way back', () =>
  withNamespaces(['red'], async (kernel) => {
    await cni(kernel, 'ADD', network({ ipMasq: false }))
    expect(await sh(kernel, 'nft list ruleset')).toBe('')
    expect(await seenFrom(kernel, 'red')).toBeUndefined()
    await sh(kernel, 'ip route add 10.22.0.0/16 via 203.0.113.2', 'internet')
    expect(await seenFrom(kernel, 'red')).toBe('10.22.0.2')
  }))

it('ipMasq leaves traffic between the containers alone', () =>
  withNamespaces(['red', 'blue'], async (kernel) => {
    const red = await cni(kernel, 'ADD', network())
    await cni(kernel, 'ADD', network(), { netns: 'blue' })
    const counted = `table ip count { chain c { type filter hook input priority 0; ip saddr 10.22.0.3 counter; }; }`
    await sh(kernel, `nft '${counted}'`, 'red')
    expect(await pings(kernel, 'blue', addressOf(red))).toBe(true)
    expect(await sh(kernel, 'nft list chain ip count c', 'red')).toContain('packets 1 ')
  }))

it('the bridge is called cni0 unless it is named, and another one with a dot in its name works', () =>
  withNamespaces(['red'], async (kernel) => {
    for (const [given, name] of [
      [undefined, 'cni0'],
      ['', 'cni0'],
      ['br.7', 'br.7'],
      ['up', 'up'],
    ]) {
      const config = network({ bridge: given })
      const result = await cni(kernel, 'ADD', config)
      expect(result.interfaces?.[0]?.name).toBe(name)
      expect(await json(kernel, `ip -j link show master ${name}`)).toHaveLength(1)
      expect(await cni(kernel, 'CHECK', after(config, result))).toEqual({})
      expect(await cni(kernel, 'DEL', config)).toEqual({})
      expect(await json(kernel, `ip -j link show master ${name}`)).toEqual([])
      await sh(kernel, `ip link delete dev ${name}`)
    }
  }))

it('without isGateway the bridge has no address, and the host does not forward', () =>
  withNamespaces(['red', 'blue'], async (kernel) => {
    const config = network({ isGateway: false, ipMasq: false }, { routes: [] })
    await cni(kernel, 'ADD', config)
    const blue = await cni(kernel, 'ADD', config, { netns: 'blue' })
    expect(await json(kernel, 'ip -j -4 address show dev cni0')).toEqual([])
    expect(await sh(kernel, 'cat /proc/sys/net/ipv4/ip_forward')).toBe('0\n')
    expect(await pings(kernel, 'red', addressOf(blue))).toBe(true)
  }))

it.each([
  ['the IPAM gives none', [], 1],
  ['the IPAM gives it, too', [{ dst: '0.0.0.0/0' }], 1],
  ['the IPAM gives another one', [{ dst: '192.0.2.0/24' }], 2],
])('isDefaultGateway makes one default route where %s', (_, routes, count) =>
  withNamespaces(['red'], async (kernel) => {
    const config = network({ isGateway: undefined, isDefaultGateway: true }, { routes })
    const result = await cni(kernel, 'ADD', config)
    expect(result.routes).toHaveLength(count)
    expect(await json(kernel, 'ip -j route show default', 'red')).toMatchObject([{ gateway: '10.22.0.1' }])
    expect(await json(kernel, 'ip -j -4 address show dev cni0')).toMatchObject([
      { addr_info: [{ local: '10.22.0.1' }] },
    ])
    expect(await seenFrom(kernel, 'red')).toBe('203.0.113.2')
    expect(await cni(kernel, 'CHECK', after(config, result))).toEqual({})
  }),
)

it('a bridge with another address is refused, and forceAddress takes that off', () =>
  withNamespaces(['red', 'blue'], async (kernel) => {
    const other = { subnet: '10.23.0.0/16' }
    await cni(kernel, 'ADD', network())
    const before = await everything(kernel)
    const refused = await cni(kernel, 'ADD', network({ name: 'other' }, other), { netns: 'blue' })
    expect(refused).toMatchObject({ code: 101, details: expect.stringContaining('forceAddress') })
    expect(refused.msg).toContain('cni0 already has the address 10.22.0.1/16')
    expect(await everything(kernel)).toEqual(before)
    const forced = await cni(kernel, 'ADD', network({ name: 'other', forceAddress: true }, other), { netns: 'blue' })
    expect(forced.ips).toMatchObject([{ address: expect.stringMatching(/^10\.23\./), gateway: '10.23.0.1' }])
    expect(await json(kernel, 'ip -j -4 address show dev cni0')).toMatchObject([
      { addr_info: [{ local: '10.23.0.1' }] },
    ])
    expect(await pings(kernel, 'blue', '10.23.0.1')).toBe(true)
  }))

it('mtu holds for both ends of the cable and for the bridge', () =>
  withNamespaces(['red'], async (kernel) => {
    const config = network({ mtu: 1400 })
    const result = await cni(kernel, 'ADD', config)
    expect(result.interfaces?.map(({ mtu }) => mtu)).toEqual([1400, 1400, 1400])
    expect(await json(kernel, 'ip -j link show dev cni0')).toMatchObject([{ mtu: 1400 }])
    expect(await json(kernel, 'ip -j link show master cni0')).toMatchObject([{ mtu: 1400 }])
    expect(await json(kernel, 'ip -j link show dev eth0', 'red')).toMatchObject([{ mtu: 1400 }])
    expect(await cni(kernel, 'CHECK', after(config, result))).toEqual({})
  }))

it('the result tells the MTU that an interface has when the bridge was there with another one', () =>
  withNamespaces(['red'], async (kernel) => {
    await sh(kernel, 'ip link add name cni0 mtu 1300 type bridge')
    const { interfaces } = await cni(kernel, 'ADD', network())
    for (const [i, [name, netns]] of [['cni0'], [interfaces?.[1]?.name], ['eth0', 'red']].entries())
      expect(await json(kernel, `ip -j link show dev ${name}`, netns)).toMatchObject([
        { mtu: interfaces?.[i]?.mtu, address: interfaces?.[i]?.mac },
      ])
  }))

it('hairpinMode and promiscMode, which exclude each other', () =>
  withNamespaces(['red', 'blue'], async (kernel) => {
    const hairpin = network({ hairpinMode: true })
    const result = await cni(kernel, 'ADD', hairpin)
    const port = result.interfaces?.[1]?.name ?? ''
    expect(await sh(kernel, `cat /sys/class/net/${port}/brport/hairpin_mode /sys/class/net/cni0/flags`)).toMatch(
      /^1\n0x1003\n$/,
    )
    await cni(kernel, 'DEL', hairpin)
    await sh(kernel, 'ip link delete dev cni0')
    const promiscuous = network({ promiscMode: true })
    const other = await cni(kernel, 'ADD', promiscuous, { netns: 'blue' })
    expect(await json(kernel, 'ip -j link show dev cni0')).toMatchObject([
      { flags: expect.arrayContaining(['PROMISC']) },
    ])
    expect(await cni(kernel, 'CHECK', after(promiscuous, other), { netns: 'blue' })).toEqual({})
    expect(await cni(kernel, 'ADD', network({ hairpinMode: true, promiscMode: true }))).toMatchObject({
      code: 7,
      msg: expect.stringContaining('promiscMode'),
    })
  }))

it('a later network may want the bridge promiscuous', () =>
  withNamespaces(['red', 'blue'], async (kernel) => {
    await cni(kernel, 'ADD', network())
    expect((await cni(kernel, 'ADD', network({ promiscMode: true }), { netns: 'blue' })).code).toBeUndefined()
    expect(await json(kernel, 'ip -j link show dev cni0')).toMatchObject([
      { flags: expect.arrayContaining(['PROMISC']) },
    ])
  }))

it('two isolated ports do not reach each other, and both reach the host', () =>
  withNamespaces(['red', 'blue', 'open'], async (kernel) => {
    const config = network({ portIsolation: true })
    const red = await cni(kernel, 'ADD', config)
    await cni(kernel, 'ADD', config, { netns: 'blue' })
    await cni(kernel, 'ADD', network(), { netns: 'open' })
    expect(await pings(kernel, 'blue', addressOf(red))).toBe(false)
    expect(await pings(kernel, 'open', addressOf(red))).toBe(true)
    expect(await pings(kernel, 'blue', '10.22.0.1')).toBe(true)
    expect(await cni(kernel, 'CHECK', after(config, red))).toEqual({})
  }))

it('macspoofchk drops what comes with another MAC', () =>
  withNamespaces(['red', 'blue'], async (kernel) => {
    const config = network({ macspoofchk: true })
    const red = await cni(kernel, 'ADD', config)
    await cni(kernel, 'ADD', network(), { netns: 'blue' })
    const own = red.interfaces?.[2]?.mac
    const takeMac = (mac: string | undefined, netns: string) =>
      sh(kernel, `ip link set dev eth0 address ${mac} && ip route replace default via 10.22.0.1`, netns)
    expect(await pings(kernel, 'red', '10.22.0.1')).toBe(true)
    await takeMac('02:00:00:00:00:99', 'red')
    expect(await pings(kernel, 'red', '10.22.0.1')).toBe(false)
    await takeMac(own, 'red')
    expect(await pings(kernel, 'red', '10.22.0.1')).toBe(true)
    await takeMac('02:00:00:00:00:99', 'blue')
    expect(await pings(kernel, 'blue', '10.22.0.1')).toBe(true)
    expect(await cni(kernel, 'CHECK', after(config, red))).toEqual({})
    await cni(kernel, 'DEL', config)
    await cni(kernel, 'DEL', config, { netns: 'blue' })
    expect(await sh(kernel, 'nft list ruleset')).toBe('')
  }))

it('IPv6 works at once, and with enabledad once no other one has the address', () =>
  withNamespaces(['red', 'blue'], async (kernel) => {
    const six = { subnet: 'fd00:7::/64', routes: [{ dst: '::/0' }] }
    const red = await cni(kernel, 'ADD', network({}, six))
    expect(red.ips).toEqual([{ address: 'fd00:7::2/64', gateway: 'fd00:7::1', interface: 2 }])
    expect(await json(kernel, 'ip -j -6 address show to fd00:7::2', 'red')).toMatchObject([
      { addr_info: [{ local: 'fd00:7::2', nodad: true }, {}] },
    ])
    expect(await pings(kernel, 'red', 'fd00:7::1')).toBe(true)
    expect(await sh(kernel, 'cat /proc/sys/net/ipv6/conf/all/forwarding')).toBe('1\n')
    expect(await sh(kernel, 'nft list ruleset')).toContain('fd00:7::2')
    expect(await cni(kernel, 'CHECK', after(network({}, six), red))).toEqual({})
    const checked = network({ enabledad: true }, six)
    const blue = await cni(kernel, 'ADD', checked, { netns: 'blue' })
    expect(blue.ips).toMatchObject([{ address: 'fd00:7::3/64' }])
    expect(JSON.stringify(await json(kernel, 'ip -j -6 address show dev eth0 scope global', 'blue'))).not.toMatch(
      /nodad|tentative/,
    )
    expect(await pings(kernel, 'blue', 'fd00:7::2')).toBe(true)
    expect(await cni(kernel, 'CHECK', after(checked, blue), { netns: 'blue' })).toEqual({})
  }))

it('enabledad refuses an address that another one has, and leaves nothing', () =>
  withNamespaces(['red', 'thief'], async (kernel) => {
    const six = network({ enabledad: true, ipMasq: false }, { subnet: 'fd00:7::/64', routes: [] })
    await sh(
      kernel,
      'ip link add name cni0 type bridge; ip link set cni0 up; ip link add name t type veth peer name eth0 netns thief; ip link set dev t master cni0; ip link set dev t up',
    )
    await sh(kernel, 'ip link set eth0 up; ip address add fd00:7::2/64 dev eth0 nodad', 'thief')
    const before = await everything(kernel)
    expect(await cni(kernel, 'ADD', six)).toMatchObject({ msg: expect.stringContaining('fd00:7::2') })
    expect(await everything(kernel)).toEqual(before)
  }))

it('two ranges give an address of each family, one gateway of each on the bridge, and rules of each', () =>
  withNamespaces(['red', 'blue'], async (kernel) => {
    const ranges = [[{ subnet: '10.22.0.0/24' }], [{ subnet: 'fd00:7::/64' }]]
    const config = network({ isDefaultGateway: true }, { subnet: undefined, ranges, routes: [] })
    const red = await cni(kernel, 'ADD', config)
    expect(red).toMatchObject({
      ips: [
        { address: '10.22.0.2/24', gateway: '10.22.0.1', interface: 2 },
        { address: 'fd00:7::2/64', gateway: 'fd00:7::1', interface: 2 },
      ],
      routes: [
        { dst: '0.0.0.0/0', gw: '10.22.0.1' },
        { dst: '::/0', gw: 'fd00:7::1' },
      ],
    })
    expect((await cni(kernel, 'ADD', config, { netns: 'blue' })).code).toBeUndefined()
    for (const gateway of ['10.22.0.1', 'fd00:7::1', '10.22.0.3', 'fd00:7::3'])
      expect(await pings(kernel, 'red', gateway), gateway).toBe(true)
    expect(await seenFrom(kernel, 'red')).toBe('203.0.113.2')
    expect(await cni(kernel, 'CHECK', after(config, red))).toEqual({})
    for (const netns of ['red', 'blue']) expect(await cni(kernel, 'DEL', config, { netns })).toEqual({})
    expect(await sh(kernel, 'nft list ruleset')).toBe('')
  }))

it('disableContainerInterface leaves the interface down, and takes no ipam', () =>
  withNamespaces(['red'], async (kernel) => {
    const config = network({ disableContainerInterface: true, isGateway: false, ipMasq: false, ipam: {} })
    const result = await cni(kernel, 'ADD', config)
    expect(await json(kernel, 'ip -j link show dev eth0', 'red')).toMatchObject([{ operstate: 'DOWN' }])
    expect(await cni(kernel, 'CHECK', after(config, result))).toEqual({})
    expect(await cni(kernel, 'ADD', network({ disableContainerInterface: true }))).toMatchObject({ code: 7 })
  }))

it.each([[{}], [undefined]])('layer 2 alone: ipam %j gives no address, and CHECK finds nothing wrong', (ipam) =>
  withNamespaces(['red', 'blue'], async (kernel) => {
    const config = network({ isGateway: false, ipMasq: false, ipam })
    const result = await cni(kernel, 'ADD', config)
    await cni(kernel, 'ADD', config, { netns: 'blue' })
    expect(result.ips).toBeUndefined()
    expect(await json(kernel, 'ip -j -4 address show dev eth0', 'red')).toEqual([])
    await sh(kernel, 'ip address add 10.1.1.1/24 dev eth0', 'red')
    await sh(kernel, 'ip address add 10.1.1.2/24 dev eth0', 'blue')
    expect(await pings(kernel, 'red', '10.1.1.2')).toBe(true)
    expect(await cni(kernel, 'CHECK', after(config, result))).toEqual({})
    expect(await cni(kernel, 'DEL', config)).toEqual({})
    expect(await json(kernel, 'ip -j link show type veth', 'red')).toEqual([])
  }),
)

it('dns comes from the configuration, or else from the IPAM', () =>
  withNamespaces(['red', 'blue'], async (kernel) => {
    const dns = { nameservers: ['192.0.2.53'], domain: 'example.test', search: ['example.test'], options: ['ndots:2'] }
    const resolvConf = '/tmp/resolv.conf'
    await sh(kernel, `echo nameserver 198.51.100.53 >${resolvConf}`)
    expect((await cni(kernel, 'ADD', network({ dns }, { resolvConf }))).dns).toEqual(dns)
    expect((await cni(kernel, 'ADD', network({}, { resolvConf }), { netns: 'blue' })).dns).toEqual({
      nameservers: ['198.51.100.53'],
    })
  }))

it('a MAC comes from CNI_ARGS, rather from args.cni, and rather still from the capability', () =>
  withNamespaces(['red'], async (kernel) => {
    const mac = (n: number) => `02:00:00:00:00:0${n}`
    const args = { cni: { mac: mac(2) } }
    const runtimeConfig = { mac: mac(3) }
    for (const [more, wanted] of [
      [{}, mac(1)],
      [{ args }, mac(2)],
      [{ args, runtimeConfig }, mac(3)],
    ] as const) {
      const given = { args: `IgnoreUnknown=1;K8S_POD_NAME=p;MAC=${mac(1)}` }
      const config = network(more)
      const result = await cni(kernel, 'ADD', config, given)
      expect(result.interfaces?.[2]?.mac).toBe(wanted)
      expect(await json(kernel, 'ip -j link show dev eth0', 'red')).toMatchObject([{ address: wanted }])
      expect(await cni(kernel, 'CHECK', after(config, result), given)).toEqual({})
      await cni(kernel, 'DEL', config, given)
    }
    expect(await cni(kernel, 'ADD', network(), { args: 'MAC=nonsense' })).toMatchObject({
      code: 7,
      msg: expect.stringContaining('nonsense'),
    })
    expect(await cni(kernel, 'ADD', network(), { args: 'MAC=01:00:00:00:00:01' })).toMatchObject({
      code: 7,
      msg: expect.stringContaining('01:00:00:00:00:01'),
    })
  }))

it('a neighbour that remembers the last owner of an address reaches the next one at once', () =>
  withNamespaces(['red', 'blue', 'old'], async (kernel) => {
    const config = network({}, { rangeStart: '10.22.0.2', rangeEnd: '10.22.0.3' })
    await cni(kernel, 'ADD', config, { netns: 'old' })
    await cni(kernel, 'ADD', config)
    expect(await pings(kernel, 'red', '10.22.0.2')).toBe(true)
    await cni(kernel, 'DEL', config, { netns: 'old' })
    expect((await cni(kernel, 'ADD', config, { netns: 'blue' })).ips?.[0]?.address).toBe('10.22.0.2/16')
    expect(await pings(kernel, 'red', '10.22.0.2')).toBe(true)
  }))

const seed = {
  cniVersion: '0.2.0',
  name: 'mynet',
  type: 'bridge',
  bridge: 'cni0',
  isGateway: true,
  ipMasq: true,
  ipam: {
    type: 'host-local',
    subnet: '10.22.0.0/16',
    routes: [
      {
        dst: '0.0.0.0/0',
      },
    ],
  },
}

it('the 10-bridge.conf of many tutorials works as it stands, in version 0.2.0', () =>
  withNamespaces(['red'], async (kernel) => {
    const result = await cni(kernel, 'ADD', seed)
    expect(result).toEqual({
      cniVersion: '0.2.0',
      ip4: { ip: '10.22.0.2/16', gateway: '10.22.0.1', routes: [{ dst: '0.0.0.0/0' }] },
      dns: {},
    })
    expect(await seenFrom(kernel, 'red')).toBe('203.0.113.2')
    expect(await cni(kernel, 'DEL', seed)).toEqual({})
    expect(await json(kernel, 'ip -j link show master cni0')).toEqual([])
    expect(await sh(kernel, 'nft list ruleset')).toBe('')
  }))

it('gives a result in the form of every version, and reads it again', () =>
  withNamespaces(['red'], async (kernel) => {
    for (const cniVersion of VERSIONS) {
      const config = network({ cniVersion })
      const result = await cni(kernel, 'ADD', config)
      expect(result.cniVersion).toBe(cniVersion)
      const old = ['0.1.0', '0.2.0'].includes(cniVersion)
      const [address] = old ? [] : (result.ips ?? [])
      expect(old ? result.ip4 : address).toMatchObject({ gateway: '10.22.0.1' })
      expect(address?.version).toBe(['0.3.0', '0.3.1', '0.4.0'].includes(cniVersion) ? '4' : undefined)
      expect(result.interfaces?.[0]?.mtu).toBe(cniVersion === '1.1.0' ? 1500 : undefined)
      const checked = await cni(kernel, 'CHECK', after(config, result))
      const isTooOld = old || cniVersion.startsWith('0.3')
      expect(checked.code).toBe(isTooOld ? 1 : undefined)
      expect(await cni(kernel, 'DEL', after(config, result))).toEqual({})
      expect(await json(kernel, 'ip -j link show type veth', 'red')).toEqual([])
    }
  }))

it('takes a namespace that has no name, as /proc/PID/ns/net', () =>
  withNamespaces([], async (kernel) => {
    const pid = (await sh(kernel, 'unshare --net sleep 60 >/dev/null 2>&1 & echo $!')).trim()
    await sh(
      kernel,
      `until [ "$(readlink /proc/${pid}/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep .01; done`,
    )
    const inside = `nsenter --net=/proc/${pid}/ns/net -- ip -j`
    const given = { netns: `/proc/${pid}/ns/net` }
    const result = await cni(kernel, 'ADD', network(), given)
    expect(result.interfaces?.[2]?.sandbox).toBe(given.netns)
    expect(await json(kernel, `${inside} -4 address show dev eth0`)).toMatchObject([
      { addr_info: [{ local: '10.22.0.2' }] },
    ])
    expect(await cni(kernel, 'CHECK', after(network(), result), given)).toEqual({})
    await sh(kernel, `kill ${pid}`)
    expect(await cni(kernel, 'DEL', after(network(), result), given)).toEqual({})
    expect(await sh(kernel, 'nft list ruleset')).toBe('')
  }))
