import { expect, it } from 'vitest'
import { call, whileAnswering } from '../../../src/kernel/packets.ts'
import type { Kernel } from '../../../src/kernel/kernel.ts'
import { INTERNET, UPLINK } from '../../../src/state/state.ts'
import { withSandbox } from '../../helpers.ts'
import { type Answer, network, pluginsIn, shell, type Which } from './plugin.ts'

const [HOST6, INTERNET6] = ['fd99::2', 'fd99::1']
const PORTS = [
  { hostPort: 8080, containerPort: 80, protocol: 'tcp' },
  { hostPort: 8080, containerPort: 81, protocol: 'udp' },
]

const portmap = (prevResult: Answer | undefined, portMappings: readonly object[], more: object = {}) => ({
  cniVersion: '1.1.0',
  name: 'net',
  type: 'portmap',
  runtimeConfig: { portMappings },
  ...(prevResult ? { prevResult } : {}),
  ...more,
})

/** Two containers, red and blue, with addresses of both families, on a host that the internet knows an IPv6 address of. */
async function containers(kernel: Kernel, type: string): Promise<Record<'red' | 'blue', Answer>> {
  await shell(kernel, 'ip netns add red; ip netns add blue')
  const addresses = [
    [HOST6, 'fe80::2', undefined],
    [INTERNET6, 'fe80::1', INTERNET],
  ] as const
  for (const [own, local, netns] of addresses)
    for (const address of [own, local])
      await shell(kernel, `ip -6 address add ${address}/64 dev ${UPLINK.ifname} nodad`, netns)
  const cni = pluginsIn(kernel)
  const config = network(type, { isGateway: true })
  const both = { red: await cni('ADD', config, 'red'), blue: await cni('ADD', config, 'blue') }
  // Before the bridge's own link-local address is settled, nothing is forwarded by IPv6.
  await shell(kernel, 'while ip -6 address show tentative | grep -q .; do sleep 0.1; done')
  return both
}

/** Calls an address's port 8080 by TCP and UDP, and returns whom the container takes the caller for. */
async function seen(kernel: Kernel, from: string | undefined, to: string, port = 8080): Promise<string[]> {
  const both = ['tcp', 'udp'] as const
  const answers = both.map((protocol) => call(kernel, from, { protocol, to, port }, 3))
  return (await Promise.all(answers)).map(({ ok, detail }) => (ok ? detail.replace('you are ', '') : 'none'))
}
const twice = (who: string) => [who, who]

it.each(['bridge', 'ptp'])('published ports are reached from everywhere, on a %s network', (type) =>
  withSandbox(async (kernel) => {
    const cni = pluginsIn(kernel)
    const { red } = await containers(kernel, type)
    expect(await cni('ADD', portmap(red, PORTS), 'red')).toEqual(red)
    const ask = async () => {
      expect(await seen(kernel, INTERNET, UPLINK.address)).toEqual(twice(UPLINK.gateway))
      expect(await seen(kernel, INTERNET, HOST6)).toEqual(twice(INTERNET6))
      for (const container of ['blue', 'red']) {
        expect(await seen(kernel, container, UPLINK.address)).toEqual(twice('10.23.0.1'))
        expect(await seen(kernel, container, HOST6)).toEqual(twice('fd23::1'))
      }
      expect(await seen(kernel, undefined, UPLINK.address)).toEqual(twice(UPLINK.address))
      expect(await seen(kernel, undefined, HOST6)).toEqual(twice(HOST6))
      expect(await seen(kernel, undefined, '127.0.0.1')).toEqual(twice('10.23.0.1'))
      expect(await cni('DEL', portmap(red, PORTS), 'red')).toEqual({})
      expect(await seen(kernel, undefined, UPLINK.address)).toEqual(twice('none'))
    }
    await whileAnswering(kernel.host, 'red', 'tcp:80', () => whileAnswering(kernel.host, 'red', 'udp:81', ask))
    expect(await shell(kernel, 'nft list tables')).not.toContain('cnilab_ports')
  }),
)

it('a port is open at hostIP alone; masqAll hides who calls; where 127.0.0.1 may leave, nobody reaches it from outside', () =>
  withSandbox(async (kernel) => {
    const cni = pluginsIn(kernel)
    const { red } = await containers(kernel, 'ptp')
    const at = PORTS.map((one) => ({ ...one, hostIP: UPLINK.address }))
    await cni('ADD', portmap(red, at, { masqAll: true }), 'red')
    expect(await cni('CHECK', portmap(red, at, { masqAll: true }), 'red')).toEqual({})
    expect(await cni('CHECK', portmap(red, at), 'red')).toMatchObject({ code: 102 })
    const ask = async () => {
      expect(await seen(kernel, INTERNET, UPLINK.address)).toEqual(twice('10.23.0.1'))
      expect(await seen(kernel, undefined, '10.23.0.1')).toEqual(twice('none'))
      expect(await seen(kernel, undefined, HOST6)).toEqual(twice('none'))
    }
    await whileAnswering(kernel.host, 'red', 'tcp:80', () => whileAnswering(kernel.host, 'red', 'udp:81', ask))
    await shell(kernel, 'ip route add 127.0.0.1 via 10.23.0.1 dev eth0', 'red')
    await shell(kernel, 'sysctl -qw net.ipv4.conf.all.route_localnet=1', 'red')
    const intrude = () => call(kernel, 'red', { protocol: 'tcp', to: '127.0.0.1', port: 9 }, 2)
    expect(await whileAnswering(kernel.host, undefined, 'tcp:9', intrude)).toMatchObject({ ok: false })
    await shell(kernel, 'nft delete chain ip cnilab_ports prerouting_raw')
    expect(await whileAnswering(kernel.host, undefined, 'tcp:9', intrude)).toMatchObject({ ok: true })
    expect(await cni('CHECK', portmap(red, at, { masqAll: true }), 'red')).toMatchObject({ code: 102 })
  }))

it('a port that is taken is refused, whatever the network, and its owner named', () =>
  withSandbox(async (kernel) => {
    const cni = pluginsIn(kernel)
    const { red, blue } = await containers(kernel, 'ptp')
    const port = { hostPort: 8080, containerPort: 80 }
    await cni('ADD', portmap(red, [port]), 'red')
    const rules = await shell(kernel, 'nft list ruleset')
    for (const [more, name] of [
      [{}, 'net'],
      [{}, 'other'],
      [{ hostIP: '127.0.0.1' }, 'net'],
      [{ hostIP: '0.0.0.0', protocol: 'TCP' }, 'net'],
    ] as const) {
      const answer = await cni('ADD', portmap(blue, [{ ...port, ...more }], { name }), 'blue')
      expect(answer).toMatchObject({ code: 101, msg: expect.stringContaining('net/red/eth0') })
    }
    expect(await shell(kernel, 'nft list ruleset')).toBe(rules)
    expect(await cni('ADD', portmap(blue, [{ ...port, protocol: 'udp' }]), 'blue')).toEqual(blue)
  }))

it("DEL and GC take an attachment's ports away and no others; CHECK finds what is missing", () =>
  withSandbox(async (kernel) => {
    const cni = pluginsIn(kernel)
    const { red, blue } = await containers(kernel, 'ptp')
    const again: Which = { ifname: 'eth1' }
    const second = await cni('ADD', network('ptp'), 'red', again)
    const pool = { type: 'host-local', subnet: '10.24.0.0/16' }
    const other = await cni('ADD', { ...network('ptp'), name: 'other', ipam: pool }, 'blue', again)
    const map = (hostPort: number) => [{ hostPort, containerPort: 80, protocol: 'tcp' }]
    const configs = [
      [portmap(red, map(1)), 'red', {}],
      [portmap(second, map(2)), 'red', again],
      [portmap(blue, map(3)), 'blue', {}],
      [portmap(other, map(4), { name: 'other' }), 'blue', again],
    ] as const
    const checks = async () => {
      const answers = []
      for (const [config, id, which] of configs) answers.push((await cni('CHECK', config, id, which)).code ?? 0)
      return answers
    }
    for (const [config, id, which] of configs) expect(await cni('ADD', config, id, which)).toEqual(config.prevResult)
    expect(await checks()).toEqual([0, 0, 0, 0])
    // Neither the namespace nor the result, nor a configuration that makes sense, are needed.
    expect(await cni('DEL', portmap(undefined, [{ hostPort: 'x' }]), 'red', { netns: '' })).toEqual({})
    expect(await checks()).toEqual([102, 0, 0, 0])
    const valid = [{ containerID: 'blue', ifname: 'eth0' }]
    const gc = { ...portmap(undefined, []), 'cni.dev/valid-attachments': valid }
    expect(await cni('GC', gc)).toEqual({})
    expect(await checks()).toEqual([102, 102, 0, 0])
    expect(await cni('GC', { ...gc, 'cni.dev/valid-attachments': [] })).toEqual({})
    expect(await checks()).toEqual([102, 102, 102, 0])
    await shell(kernel, `sysctl -qw net.ipv4.conf.${other.interfaces?.[0]?.name}.route_localnet=0`)
    expect(await checks()).toEqual([102, 102, 102, 102])
    expect(await cni('DEL', configs[3][0], 'blue', again)).toEqual({})
    expect(await shell(kernel, 'nft list tables')).not.toContain('cnilab_ports')
  }))

it('what cannot be honoured is refused; without mappings the result passes through', () =>
  withSandbox(async (kernel) => {
    const cni = pluginsIn(kernel)
    await shell(kernel, 'ip netns add red')
    const before = await shell(kernel, 'nft list ruleset')
    const result = {
      cniVersion: '1.1.0',
      interfaces: [{ name: 'eth0', mac: '02:00:00:00:00:01', sandbox: '/run/netns/red' }],
      ips: [{ address: '10.23.0.2/16', interface: 0 }],
      dns: {},
    }
    const port = { hostPort: 8080, containerPort: 80 }
    const add = (...args: Parameters<typeof portmap>) => cni('ADD', portmap(...args), 'red')
    expect(await add(result, [])).toEqual(result)
    expect(await add(undefined, [port])).toMatchObject({ code: 7, msg: expect.stringContaining('prevResult') })
    const conditions = { conditionsV4: ['-s', '10.0.0.0/8'] }
    expect(await add(result, [port], conditions)).toMatchObject({
      code: 2,
      msg: expect.stringContaining('"conditionsV4": ["-s","10.0.0.0/8"]'),
    })
    for (const wrong of [
      { hostPort: 0 },
      { containerPort: 65_536 },
      { protocol: 'icmp' },
      { hostIP: 'fd99::2' },
      { hostIP: '::1' },
      { hostIP: 'here' },
    ])
      expect([wrong, (await add(result, [{ ...port, ...wrong }])).code]).toEqual([wrong, 7])
    expect(await add(result, [port, { ...port, hostIP: '0.0.0.0', containerPort: 81 }])).toMatchObject({
      code: 7,
      msg: expect.stringContaining('twice: tcp port 8080'),
    })
    expect(await shell(kernel, 'nft list ruleset')).toBe(before)
    expect(await cni('STATUS', portmap(undefined, []))).toEqual({})
    // Without IPv6, and without an interface of the host that leads there, as with macvlan.
    expect(await add(result, [port])).toEqual(result)
    expect(await shell(kernel, 'nft list tables')).toBe('table ip cnilab_ports\n')
    expect(await cni('CHECK', portmap(result, [port]), 'red')).toEqual({})
  }))
