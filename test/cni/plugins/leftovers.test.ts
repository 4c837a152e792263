import { existsSync } from 'node:fs'
import { expect, it } from 'vitest'
import type { Kernel } from '../../../src/kernel/kernel.ts'
import {
  after,
  type Answer,
  cni,
  type Config,
  json,
  keeping,
  network,
  noReference,
  OURS,
  pings,
  REFERENCE,
  reserved,
  sh,
  STORE,
  withNamespaces,
} from '../plugin.ts'

const portmap = { file: `${OURS}/portmap` }

/** The configuration of portmap on a network, after another plugin. */
function ports({ name }: Config, prevResult: Answer, hostPort = 8080): Config {
  const runtimeConfig = { portMappings: [{ hostPort, containerPort: 80 }] }
  return { cniVersion: '1.1.0', name, type: 'portmap', runtimeConfig, prevResult }
}

/** The owners of all elements in nftables. */
async function owners(kernel: Kernel): Promise<string[]> {
  const rules = JSON.stringify(await json(kernel, 'nft -j list ruleset'))
  return [...rules.matchAll(/"comment": ?"([^"]+\/[^"]+)"/g)].map(([, owner = '']) => owner).toSorted()
}

it.each(['bridge', 'ptp'])('%s: what an earlier holder of an address left is replaced, and GC cleans up', (type) =>
  withNamespaces(['red', 'blue', 'green'], async (kernel) => {
    const config = network({ type })
    const file = `${OURS}/${type}`
    const red = await cni(kernel, 'ADD', config, { file })
    expect((await cni(kernel, 'ADD', ports(config, red), portmap)).msg).toBeUndefined()
    await sh(kernel, `rm -rf ${STORE}`)
    const blue = await cni(kernel, 'ADD', config, { file, netns: 'blue' })
    expect(blue.ips).toMatchObject([{ address: '10.22.0.2/16' }])
    // Its port, too: it leads to the address that is another's now.
    expect((await cni(kernel, 'ADD', ports(config, blue), { ...portmap, netns: 'blue' })).msg).toBeUndefined()
    expect(new Set(await owners(kernel))).toEqual(new Set(['mynet/c-blue/eth0']))
    for (const checked of [
      cni(kernel, 'CHECK', after(config, blue), { file, netns: 'blue' }),
      cni(kernel, 'CHECK', ports(config, blue), { ...portmap, netns: 'blue' }),
    ])
      expect(await checked).toEqual({})
    expect(await cni(kernel, 'DEL', ports(config, red), portmap)).toEqual({})
    expect(await cni(kernel, 'DEL', after(config, red), { file })).toEqual({})
    expect(await pings(kernel, 'blue', '203.0.113.1')).toBe(true)
    expect(await reserved(kernel)).toEqual(['mynet/10.22.0.2'])
    // A lease that was deleted by hand.
    await sh(kernel, `rm ${STORE}/mynet/10.22.0.2 ${STORE}/mynet/last*`)
    expect((await cni(kernel, 'ADD', config, { file, netns: 'green' })).ips).toMatchObject([
      { address: '10.22.0.2/16' },
    ])
    expect(await cni(kernel, 'GC', keeping(config, 'c-green'), { file })).toEqual({})
    expect(await cni(kernel, 'GC', keeping(config, 'c-green'), portmap)).toEqual({})
    expect(await owners(kernel)).toEqual(['mynet/c-green/eth0'])
    expect(await sh(kernel, 'ip -n blue -o link show type veth')).toBe('')
    expect(await pings(kernel, 'green', '203.0.113.1')).toBe(true)
  }),
)

it('a port of a container that is gone is free, and one of a container that is there is not', () =>
  withNamespaces(['red', 'blue'], async (kernel) => {
    const red = await cni(kernel, 'ADD', network())
    await cni(kernel, 'ADD', ports(network(), red), portmap)
    const blue = await cni(kernel, 'ADD', network(), { netns: 'blue' })
    const taken = { code: 101, msg: expect.stringContaining('for mynet/c-red/eth0') }
    expect(await cni(kernel, 'ADD', ports(network(), blue), { ...portmap, netns: 'blue' })).toMatchObject(taken)
    // As with a cable that another plugin made.
    await sh(kernel, `ip link set dev ${red.interfaces?.[1]?.name} alias other`)
    expect(await cni(kernel, 'ADD', ports(network(), blue), { ...portmap, netns: 'blue' })).toMatchObject(taken)
    // DEL by another plugin: cable and lease are gone, elements are not.
    await sh(kernel, `ip -n red link delete eth0; rm ${STORE}/mynet/10.22.0.2`)
    expect((await cni(kernel, 'ADD', ports(network(), blue), { ...portmap, netns: 'blue' })).msg).toBeUndefined()
    expect(await cni(kernel, 'CHECK', ports(network(), blue), { ...portmap, netns: 'blue' })).toEqual({})
    expect(await cni(kernel, 'DEL', ports(network(), red), portmap)).toEqual({})
    expect(await cni(kernel, 'CHECK', ports(network(), blue), { ...portmap, netns: 'blue' })).toEqual({})
  }))

it('a container on two networks has its port by the first of them', () =>
  withNamespaces(['red'], async (kernel) => {
    const second = network({ name: 'second', bridge: 'cni1' }, { subnet: '10.24.0.0/16', routes: [] })
    const [one, two] = [{}, { ifname: 'eth1' }]
    const first = await cni(kernel, 'ADD', network(), one)
    expect((await cni(kernel, 'ADD', ports(network(), first), { ...portmap, ...one })).msg).toBeUndefined()
    const next = await cni(kernel, 'ADD', second, two)
    expect((await cni(kernel, 'ADD', ports(second, next), { ...portmap, ...two })).msg).toBeUndefined()
    const checks = async () => [
      await cni(kernel, 'CHECK', ports(network(), first), { ...portmap, ...one }),
      await cni(kernel, 'CHECK', ports(second, next), { ...portmap, ...two }),
    ]
    expect(await checks()).toEqual([{}, {}])
    expect(await sh(kernel, 'nft list map ip cnilab_ports any_address')).toContain('10.22.0.2 . 80')
    expect(await cni(kernel, 'DEL', ports(second, next), { ...portmap, ...two })).toEqual({})
    expect(await checks()).toMatchObject([{}, { code: 102 }])
    expect(await cni(kernel, 'DEL', ports(network(), first), { ...portmap, ...one })).toEqual({})
    expect(await sh(kernel, 'nft list tables')).not.toContain('cnilab_ports')
  }))

it('a client that goes on sending UDP from one port reaches the next container that has the port', () =>
  withNamespaces(['red', 'blue'], async (kernel) => {
    const publish = (prevResult: Answer) => ({
      ...ports(network(), prevResult),
      runtimeConfig: { portMappings: [{ hostPort: 5000, containerPort: 53, protocol: 'udp' }] },
    })
    /** Whether a datagram has come: nobody listens, so the kernel counts it. */
    const hasCome = (netns: string) =>
      sh(
        kernel,
        `for i in $(seq 100); do [ "$(awk '/^Udp: [0-9]/ { print $3 }' /proc/net/snmp)" = 0 ] || exit 0; sleep .1; done; exit 1`,
        netns,
      )
    const client = kernel.probe(
      [
        'bash',
        '-c',
        'exec 3<>/dev/udp/203.0.113.2/5000; until [ -e /tmp/enough ]; do echo >&3; sleep .1; done 2>/dev/null',
      ],
      'internet',
      '',
      40,
    )
    const red = await cni(kernel, 'ADD', network())
    expect((await cni(kernel, 'ADD', publish(red), portmap)).msg).toBeUndefined()
    await hasCome('red')
    expect(await cni(kernel, 'DEL', publish(red), portmap)).toEqual({})
    expect(await cni(kernel, 'DEL', after(network(), red))).toEqual({})
    const blue = await cni(kernel, 'ADD', network(), { netns: 'blue' })
    expect(blue.ips).toMatchObject([{ address: '10.22.0.3/16' }])
    expect((await cni(kernel, 'ADD', publish(blue), { ...portmap, netns: 'blue' })).msg).toBeUndefined()
    await hasCome('blue')
    await sh(kernel, 'touch /tmp/enough')
    await client
  }))

const hasIptables = existsSync('/usr/sbin/iptables-restore') || existsSync('/sbin/iptables-restore')

it.skipIf(noReference || !hasIptables)(
  `DEL of what the reference made leaves no chain of iptables behind, and none of another container is touched (needs ${REFERENCE}, iptables)`,
  () =>
    withNamespaces(['red', 'blue'], async (kernel) => {
      const config = network({ cniVersion: '1.0.0' })
      const theirs = (type: string, netns: string) => ({ file: `${REFERENCE}/${type}`, path: [REFERENCE], netns })
      const publish = (result: Answer, hostPort: number) => ({
        ...ports(config, result, hostPort),
        cniVersion: '1.0.0',
      })
      const results = new Map<string, Answer>()
      for (const [netns, port] of [
        ['red', 8080],
        ['blue', 8081],
      ] as const) {
        const result = await cni(kernel, 'ADD', config, theirs('bridge', netns))
        const published = {
          ...publish(result, port),
          runtimeConfig: { portMappings: [{ hostPort: port, containerPort: 80, protocol: 'tcp' }] },
        }
        expect((await cni(kernel, 'ADD', published, theirs('portmap', netns))).msg).toBeUndefined()
        results.set(netns, result)
      }
      const chains = async () =>
        (await sh(kernel, 'iptables -t nat -S')).split('\n').filter((line) => /^-N CNI-(DN-)?[0-9a-f]/.test(line))
      expect(await chains()).toHaveLength(4)
      const red = results.get('red') ?? {}
      expect(await cni(kernel, 'DEL', publish(red, 8080), portmap)).toEqual({})
      expect(await cni(kernel, 'DEL', after(config, red))).toEqual({})
      expect(await chains()).toHaveLength(2)
      expect(await sh(kernel, 'iptables -t nat -S')).not.toContain('c-red')
      expect(await sh(kernel, 'iptables -t nat -S')).toContain('c-blue')
      expect(await reserved(kernel)).toEqual(['mynet/10.22.0.3'])
    }),
)
