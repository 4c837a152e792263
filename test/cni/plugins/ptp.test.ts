import { expect, it } from 'vitest'
import { call, startInternet } from '../../../src/kernel/packets.ts'
import { UPLINK } from '../../../src/state/state.ts'
import { withSandbox } from '../../helpers.ts'
import { network, pluginsIn, shell } from './plugin.ts'

const ptp = network('ptp')
const ping = (address: string) => `ping -c1 -W2 ${address} >/dev/null && echo pong`

it('a container reaches its gateway, its neighbours and the internet by a cable and routes, without a bridge', () =>
  withSandbox(async (kernel) => {
    const cni = pluginsIn(kernel)
    const before = await shell(kernel, 'ip -o link | cut -d: -f2; nft list ruleset')
    await shell(kernel, 'ip netns add red; ip netns add blue')
    const red = await cni('ADD', ptp, 'red')
    const [host, own] = red.interfaces ?? []
    expect(own).toMatchObject({ name: 'eth0', mtu: 1500, sandbox: '/run/netns/red' })
    expect(red.ips).toEqual([
      { address: '10.23.0.2/16', gateway: '10.23.0.1', interface: 1 },
      { address: 'fd23::2/64', gateway: 'fd23::1', interface: 1 },
    ])
    expect(await cni('ADD', { ...ptp, mtu: 1400 }, 'blue')).toMatchObject({
      interfaces: [{ mtu: 1400 }, {}],
    })
    expect(
      (await shell(kernel, 'ip route; ip -6 route | grep -v fe80', 'red')).split('\n').map((l) => l.trim()),
    ).toEqual([
      'default via 10.23.0.1 dev eth0',
      '10.23.0.0/16 via 10.23.0.1 dev eth0',
      '10.23.0.1 dev eth0 scope link',
      'fd23::1 dev eth0 metric 1024 pref medium',
      'fd23::/64 via fd23::1 dev eth0 metric 1024 pref medium',
      'default via fd23::1 dev eth0 metric 1024 pref medium',
      '',
    ])
    expect(await shell(kernel, `ip -br addr show ${host?.name}`)).toContain('10.23.0.1/32 fd23::1/128 fe80::1/64')
    expect(await shell(kernel, `ip route show dev ${host?.name}`)).toContain('10.23.0.2 scope link')
    expect(await shell(kernel, `cat /proc/sys/net/ipv6/conf/${host?.name}/accept_ra`)).toBe('0\n')
    for (const address of ['10.23.0.1', '10.23.0.3', 'fd23::1', 'fd23::3'])
      expect([address, await shell(kernel, ping(address), 'red')]).toEqual([address, 'pong\n'])
    expect(await shell(kernel, `${ping('10.23.0.2')}; ${ping('fd23::2')}`)).toBe('pong\npong\n')
    await startInternet(kernel.host)
    expect(await call(kernel, 'red', { protocol: 'tcp', to: UPLINK.gateway, port: 7 }, 5)).toEqual({
      ok: true,
      detail: `you are ${UPLINK.address}`,
    })
    expect(await cni('DEL', ptp, 'red')).toEqual({})
    expect(await shell(kernel, ping('10.23.0.3'))).toBe('pong\n')
    expect(await cni('DEL', ptp, 'blue', { netns: '' })).toEqual({})
    expect(await cni('DEL', ptp, 'blue', { netns: '' })).toEqual({})
    expect(await shell(kernel, 'ip -o link | cut -d: -f2; nft list ruleset')).toBe(before)
    expect(await shell(kernel, 'ls /var/lib/cni/networks/net | grep -v last')).not.toMatch(/^[\df]/m)
  }))

it('a container has two interfaces on a network; each goes by itself, and GC takes those away that are not valid', () =>
  withSandbox(async (kernel) => {
    const cni = pluginsIn(kernel)
    await shell(kernel, 'ip netns add red')
    const first = await cni('ADD', ptp, 'red')
    const second = await cni('ADD', ptp, 'red', { ifname: 'eth1' })
    expect(second.ips?.map(({ address }) => address)).toEqual(['10.23.0.3/16', 'fd23::3/64'])
    const pings = ['10.23.0.2', '10.23.0.3', 'fd23::2', 'fd23::3'].map(ping).join(';')
    expect(await shell(kernel, pings)).toBe('pong\n'.repeat(4))
    for (const [ifname, prevResult] of [
      ['eth0', first],
      ['eth1', second],
    ] as const)
      expect(await cni('CHECK', { ...ptp, prevResult }, 'red', { ifname })).toEqual({})
    expect(await shell(kernel, 'ip route get 8.8.8.8', 'red')).toContain('dev eth0')
    const valid = [{ containerID: 'red', ifname: 'eth1' }]
    expect(await cni('GC', { ...ptp, 'cni.dev/valid-attachments': valid })).toEqual({})
    expect(await shell(kernel, 'ip -br link show eth0', 'red')).toContain('does not exist')
    expect(await shell(kernel, 'ip route get 8.8.8.8', 'red')).toContain('dev eth1')
    expect(await shell(kernel, ping('10.23.0.3'))).toBe('pong\n')
    expect(await cni('DEL', ptp, 'red', { ifname: 'eth1' })).toEqual({})
    expect(await shell(kernel, 'ip -br link show type veth; nft list tables')).not.toMatch(/veth\w{11}|cnilab/)
  }))

it('CHECK finds a route, an address and forwarding that are gone', () =>
  withSandbox(async (kernel) => {
    const cni = pluginsIn(kernel)
    await shell(kernel, 'ip netns add red')
    const prevResult = await cni('ADD', ptp, 'red')
    const host = prevResult.interfaces?.[0]?.name
    const check = () => cni('CHECK', { ...ptp, prevResult }, 'red')
    for (const [breakIt, mend, netns] of [
      ['ip route delete 10.23.0.2', `ip route add 10.23.0.2 dev ${host}`],
      ['ip route delete 10.23.0.0/16', 'ip route add 10.23.0.0/16 via 10.23.0.1', 'red'],
      [
        `ip address delete 10.23.0.1/32 dev ${host}`,
        `ip address add 10.23.0.1/32 dev ${host}; ip route add 10.23.0.2 dev ${host}`,
      ],
      ['sysctl -qw net.ipv4.ip_forward=0', 'sysctl -qw net.ipv4.ip_forward=1'],
    ] as const) {
      expect(await check()).toEqual({})
      expect(await shell(kernel, breakIt, netns)).toBe('')
      expect([breakIt, (await check()).code]).toEqual([breakIt, 102])
      expect(await shell(kernel, mend, netns)).toBe('')
    }
  }))

it('an ADD that cannot be leaves nothing', () =>
  withSandbox(async (kernel) => {
    const cni = pluginsIn(kernel)
    await shell(kernel, 'ip netns add red; ip netns add blue')
    const links = 'ip -o link | cut -d: -f2; ip -n red -o link | cut -d: -f2; nft list ruleset'
    const before = await shell(kernel, links)
    expect(await cni('ADD', { ...ptp, ipam: {} }, 'red')).toMatchObject({ code: 7 })
    const alone = { type: 'static', addresses: [{ address: '10.23.0.9/32' }] }
    expect(await cni('ADD', { ...ptp, ipam: alone }, 'red')).toMatchObject({ code: 7 })
    const lost = { ...ptp.ipam, routes: [{ dst: '10.99.0.0/16', gw: '10.98.0.1' }] }
    expect(await cni('ADD', { ...ptp, ipam: lost }, 'red')).toMatchObject({ code: 100 })
    expect(await shell(kernel, links)).toBe(before)
    expect(await cni('ADD', ptp, 'red')).toMatchObject({ interfaces: [{}, {}] })
    expect(await cni('ADD', ptp, 'red')).toMatchObject({ code: 101 })
    expect(await cni('STATUS', ptp)).toEqual({})
  }))
