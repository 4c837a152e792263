import { expect, it } from 'vitest'
import {
  after,
  cni,
  everything,
  json,
  keeping,
  network,
  OURS,
  REFERENCE,
  noReference,
  sh,
  withNamespaces,
} from '../plugin.ts'

const file = `${OURS}/tuning`
const KEPT = '/run/cni/tuning'
const SYSCTLS = { 'net.ipv4.conf.IFNAME.arp_filter': '1', 'net/ipv4/tcp_rmem': '4096  131072 6291456' }
const ALL = { mac: '02:00:00:00:00:99', mtu: 1400, promisc: true, allmulti: true, txQLen: 77 }
const config = (more: object) => ({ cniVersion: '1.1.0', name: 'mynet', type: 'tuning', ...more })

it('sets everything, says so in the result, sees what was tampered with, and gives it back', () =>
  withNamespaces(['red'], async (kernel) => {
    const bridged = await cni(kernel, 'ADD', network())
    const look = () => sh(kernel, 'ip -d -o link show eth0; sysctl -n net.ipv4.conf.eth0.arp_filter', 'red')
    const [before, all] = [await look(), await everything(kernel)]
    const tuned = after(config({ ...ALL, sysctl: SYSCTLS }), bridged)
    const result = await cni(kernel, 'ADD', tuned, { file })
    expect(result.interfaces?.find(({ name }) => name === 'eth0')).toMatchObject({ mac: ALL.mac, mtu: 1400 })
    expect(result.ips).toEqual(bridged.ips)
    expect(await json(kernel, 'ip -j link show eth0', 'red')).toMatchObject([
      { address: ALL.mac, mtu: 1400, txqlen: 77, flags: expect.arrayContaining(['PROMISC', 'ALLMULTI']) },
    ])
    expect(await sh(kernel, 'sysctl -n net.ipv4.tcp_rmem net.ipv4.conf.eth0.arp_filter', 'red')).toBe(
      '4096\t131072\t6291456\n1\n',
    )
    const check = () => cni(kernel, 'CHECK', after(tuned, result), { file })
    expect(await check()).toEqual({})
    for (const [change, back, said] of [
      ['ip link set dev eth0 txqueuelen 5', 'ip link set dev eth0 txqueuelen 77', 'a queue of 5 packets'],
      ['ip link set dev eth0 promisc off', 'ip link set dev eth0 promisc on', 'promiscuous mode off'],
      ['sysctl -qw net.ipv4.conf.eth0.arp_filter=0', 'sysctl -qw net.ipv4.conf.eth0.arp_filter=1', 'arp_filter is 0'],
    ] as const) {
      await sh(kernel, change, 'red')
      expect(await check()).toMatchObject({ code: 102, msg: expect.stringContaining(said) })
      await sh(kernel, back, 'red')
    }
    await sh(kernel, 'ping -c1 -W2 10.22.0.1', 'red')
    expect(await cni(kernel, 'DEL', after(tuned, result), { file })).toEqual({})
    expect(await look()).toBe(before.replace(/0\n$/, '1\n')) // sysctls go with the namespace
    expect(await everything(kernel)).toEqual(all)
    expect(await sh(kernel, `ls ${KEPT}`)).toBe('')
    expect(await cni(kernel, 'DEL', after(tuned, result), { file, netns: '' })).toEqual({})
  }))

it('does all or nothing, and GC forgets what is kept of containers that are gone', () =>
  withNamespaces(['red', 'blue'], async (kernel) => {
    const made = [await cni(kernel, 'ADD', network()), await cni(kernel, 'ADD', network(), { netns: 'blue' })]
    const all = await everything(kernel)
    const add = (more: object, netns = 'red') =>
      cni(kernel, 'ADD', after(config(more), made[netns === 'red' ? 0 : 1] ?? {}), { file, netns })
    for (const [sysctl, code] of [
      [{ 'net.ipv4.conf.IFNAME.arp_filter': '1', 'net.ipv4.nonsense': '1' }, 100],
      [{ 'kernel.hostname': 'x' }, 7],
      [{ 'net.ipv4.ip_forward': 1 }, 7],
    ] as const)
      expect(await add({ mtu: 1400, sysctl })).toMatchObject({ code })
    expect(await add({ mac: '01:00:00:00:00:01' })).toMatchObject({ code: 7 })
    expect(await everything(kernel)).toEqual(all)
    expect(await sh(kernel, 'sysctl -n net.ipv4.conf.eth0.arp_filter', 'red')).toBe('0\n')
    expect(await sh(kernel, `ls ${KEPT}`)).toBe('')
    // The capability beats the argument, and that the configuration.
    const asked = { runtimeConfig: { mac: '02:00:00:00:00:03' }, args: { cni: { mac: '02:00:00:00:00:02' } }, ...ALL }
    expect(await add(asked)).toMatchObject({
      interfaces: expect.arrayContaining([expect.objectContaining({ mac: '02:00:00:00:00:03' })]),
    })
    await add({ mtu: 1300 }, 'blue')
    expect(await cni(kernel, 'GC', keeping(config({}), 'c-blue'), { file })).toEqual({})
    expect(await sh(kernel, `ls ${KEPT}`)).toBe('c-blue_eth0.json\n')
    expect(await cni(kernel, 'GC', keeping({ ...config({}), name: 'other' }), { file })).toEqual({})
    expect(await sh(kernel, `ls ${KEPT}`)).toBe('c-blue_eth0.json\n')
    // A list of the node's says what may be set.
    await sh(kernel, 'mkdir -p /etc/cni/tuning && echo "^net.ipv4.conf.IFNAME" >/etc/cni/tuning/allowlist.conf')
    expect(await add({ sysctl: { 'net.ipv4.ip_forward': '1' } })).toMatchObject({ code: 7 })
    expect(await add({ sysctl: { 'net.ipv4.conf.IFNAME.arp_filter': '1' } })).toEqual(made[0])
    expect(await sh(kernel, `ls ${KEPT}`)).toBe('c-blue_eth0.json\n')
  }))

it.skipIf(noReference)('gives back what the reference kept, and the reference what ours did', () =>
  withNamespaces(['red'], async (kernel) => {
    const bridged = await cni(kernel, 'ADD', network())
    const theirs = { ...config({ mtu: 1400 }), cniVersion: '1.0.0' }
    const tuned = after(theirs, { ...bridged, cniVersion: '1.0.0' })
    const look = () => sh(kernel, 'ip -o link show eth0', 'red')
    const before = await look()
    for (const [first, second] of [
      [`${REFERENCE}/tuning`, file],
      [file, `${REFERENCE}/tuning`],
    ] as const) {
      await cni(kernel, 'ADD', tuned, { file: first })
      expect(await look()).toContain('mtu 1400')
      expect(await cni(kernel, 'DEL', tuned, { file: second })).toEqual({})
      expect(await look()).toBe(before)
    }
  }),
)
