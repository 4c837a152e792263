import { expect, it } from 'vitest'
import { call, whileAnswering } from '../../../src/kernel/packets.ts'
import type { Kernel } from '../../../src/kernel/kernel.ts'
import { INTERNET, UPLINK } from '../../../src/state/state.ts'
import { onMachine } from '../../helpers.ts'
import {
  after,
  type Answer,
  cni,
  type Config,
  everything,
  keeping,
  network,
  OURS,
  sh,
  withNamespaces,
} from '../plugin.ts'

const file = `${OURS}/firewall`
const config = (more: object = {}): Config => ({ cniVersion: '1.1.0', name: 'mynet', type: 'firewall', ...more })
const two = { ranges: [[{ subnet: '10.22.0.0/16' }], [{ subnet: 'fd22::/64' }]], subnet: undefined }

/** What Docker makes of a host: FORWARD drops what is not its own, and the administrator has a chain that comes first. */
const DOCKER = `for it in iptables ip6tables; do $it -P FORWARD DROP; $it -N DOCKER-USER; $it -A DOCKER-USER -j RETURN
  $it -A FORWARD -j DOCKER-USER; $it -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
  $it -A FORWARD -i docker0 ! -o docker0 -j ACCEPT; done`

const add = (kernel: Kernel, prev: Answer, more: object = {}, netns = 'red') =>
  cni(kernel, 'ADD', after(config(more), prev), { file, netns })

/** Whether a ping is answered: what should not be is not waited for. */
async function gets(kernel: Kernel, netns: string, address: string, isExpected: boolean): Promise<boolean> {
  return (await kernel.probe(['ping', '-c1', `-W${isExpected ? 5 : 0.3}`, address], netns)).code === 0
}

/** Whether a container's port 80 is reached. */
async function reaches(
  kernel: Kernel,
  from: string | undefined,
  to: string,
  port: number,
  isExpected: boolean,
): Promise<boolean> {
  return (await call(kernel, from, { protocol: 'tcp', to, port }, isExpected ? 5 : 0.5)).ok
}

it('on a host with Docker it lets containers through, in both families; CHECK sees what is gone; DEL takes it all back', () =>
  withNamespaces(['red', 'blue'], async (kernel) => {
    await sh(kernel, DOCKER)
    const foreign = await sh(kernel, 'iptables-save; ip6tables-save')
    const red = await cni(kernel, 'ADD', network({}, two))
    const blue = await cni(kernel, 'ADD', network({}, two), { netns: 'blue' })
    const all = await everything(kernel)
    expect(await gets(kernel, 'red', UPLINK.gateway, false)).toBe(false)
    // The bridge's own CHECK says why, as nothing else of it is wrong.
    const own = await cni(kernel, 'CHECK', after(network({}, two), red))
    expect(own).toMatchObject({ code: 102, msg: expect.stringContaining('chain FORWARD of table ip filter') })
    expect(own.details).toContain('firewall')
    expect(await add(kernel, red)).toEqual(red)
    expect(await add(kernel, blue, {}, 'blue')).toEqual(blue)
    for (const netns of ['red', 'blue']) expect(await gets(kernel, netns, UPLINK.gateway, true)).toBe(true)
    expect(await cni(kernel, 'CHECK', after(network({}, two), red))).toEqual({})
    const check = () => cni(kernel, 'CHECK', after(config(), red), { file })
    expect(await check()).toEqual({})
    // Nobody comes in but by a published port; that is as in the reference.
    await sh(kernel, 'ip route add 10.22.0.0/16 via 203.0.113.2', INTERNET)
    const address = red.ips?.[0]?.address.split('/')[0] ?? ''
    const portMappings = [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }]
    const ports = { ...config({ runtimeConfig: { portMappings } }), type: 'portmap' }
    await cni(kernel, 'ADD', after(ports, red), { file: `${OURS}/portmap` })
    await whileAnswering(kernel.host, 'red', 'tcp:80', async () => {
      expect(await reaches(kernel, INTERNET, address, 80, false)).toBe(false)
      expect(await reaches(kernel, INTERNET, UPLINK.address, 8080, true)).toBe(true)
    })
    expect(await cni(kernel, 'DEL', after(ports, red), { file: `${OURS}/portmap` })).toEqual({})
    await sh(kernel, 'ip route delete 10.22.0.0/16', INTERNET)
    // What the administrator says in DOCKER-USER comes first, and iptables can still read its table.
    await sh(kernel, 'iptables -I DOCKER-USER -s 10.22.0.0/16 -p icmp -j DROP')
    expect(await gets(kernel, 'red', UPLINK.gateway, false)).toBe(false)
    await sh(kernel, 'iptables -D DOCKER-USER 1; iptables -S | grep -F "made by cnilab"')
    for (const [change, back] of [
      ['nft delete element ip cnilab_firewall accepted { ADDRESS }', 'nft add element'],
      ['iptables -D FORWARD 2', 'iptables -I FORWARD 2'],
    ] as const) {
      await sh(kernel, change.replace('ADDRESS', address))
      expect(await check(), back).toMatchObject({ code: 102 })
      expect(await cni(kernel, 'DEL', after(config(), red), { file })).toEqual({})
      expect(await add(kernel, red)).toEqual(red)
      expect(await check()).toEqual({})
    }
    // GC without red; then DEL of the last, without namespace and result.
    expect(await cni(kernel, 'GC', keeping(config(), 'c-blue'), { file })).toEqual({})
    expect(await gets(kernel, 'red', UPLINK.gateway, false)).toBe(false)
    expect(await gets(kernel, 'blue', UPLINK.gateway, true)).toBe(true)
    expect(await cni(kernel, 'DEL', config({ ingressPolicy: 7 }), { file, netns: '', containerId: 'c-blue' })).toEqual(
      {},
    )
    expect(await everything(kernel)).toEqual(all)
    const counters = /\[\d+:\d+\]|^#.*$/gm
    expect((await sh(kernel, 'iptables-save; ip6tables-save')).replaceAll(counters, '')).toBe(
      foreign.replaceAll(counters, ''),
    )
  }))

it('containers of other bridges, and on the same bridge, are kept away as ingressPolicy says', () =>
  withNamespaces(['red', 'blue', 'green'], async (kernel) => {
    const other = network({ name: 'other', bridge: 'cni1' }, { subnet: '10.23.0.0/16' })
    const results = {
      red: await cni(kernel, 'ADD', network()),
      blue: await cni(kernel, 'ADD', network(), { netns: 'blue' }),
      green: await cni(kernel, 'ADD', other, { netns: 'green' }),
    }
    const all = await everything(kernel)
    const address = results.red.ips?.[0]?.address.split('/')[0] ?? ''
    const names = ['red', 'blue', 'green'] as const
    const seen = async ({ blue, green } = { blue: true, green: true }) => ({
      blue: await gets(kernel, 'blue', address, blue),
      green: await gets(kernel, 'green', address, green),
      out: await gets(kernel, 'red', UPLINK.gateway, true),
    })
    expect(await seen()).toEqual({ blue: true, green: true, out: true })
    for (const [ingressPolicy, blue] of [
      ['open', true],
      ['same-bridge', true],
      ['isolated', false],
    ] as const) {
      for (const netns of names) {
        const name = netns === 'green' ? 'other' : 'mynet'
        expect(await add(kernel, results[netns], { ingressPolicy, name }, netns)).toEqual(results[netns])
      }
      const expected = { blue, green: ingressPolicy === 'open' }
      expect(await seen(expected), ingressPolicy).toEqual({ ...expected, out: true })
      const checked = after(config({ ingressPolicy }), results.red)
      expect(await cni(kernel, 'CHECK', checked, { file })).toEqual({})
      for (const netns of names) {
        const name = netns === 'green' ? 'other' : 'mynet'
        expect(
          await cni(kernel, 'DEL', after(config({ ingressPolicy, name }), results[netns]), { file, netns }),
        ).toEqual({})
      }
      expect(await everything(kernel)).toEqual(all)
    }
    expect(await add(kernel, results.red, { ingressPolicy: 'closed' })).toMatchObject({ code: 7 })
  }))

/** Rules of others: whether a container's packets get out, and whether that they do not is seen. */
const FILTERS: readonly (readonly [what: string, shell: string, passes: boolean, seen: string | undefined])[] = [
  ['nothing', 'true', true, undefined],
  ['an empty chain', 'iptables -P FORWARD ACCEPT', true, undefined],
  ['a policy', 'iptables -P FORWARD DROP', false, 'chain FORWARD of table ip filter: policy drop'],
  ['Docker', DOCKER, false, 'policy drop'],
  ['a rule that rejects, as on RHEL', 'iptables -A FORWARD -j REJECT', false, 'reject'],
  ['a rule about the bridge alone', 'iptables -A FORWARD -i cni0 ! -o cni0 -j DROP', false, 'iifname "cni0"'],
  [
    'a rule about another bridge',
    'iptables -A FORWARD -i docker0 -j DROP; iptables -A FORWARD -s 10.99.0.0/16 -j DROP',
    true,
    undefined,
  ],
  ['a rule about some packets', 'iptables -A FORWARD -p tcp --dport 25 -j DROP', true, undefined],
  [
    'a policy with exceptions',
    'iptables -P FORWARD DROP; iptables -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT; iptables -A FORWARD -s 10.22.0.0/16 -j ACCEPT',
    true,
    undefined,
  ],
  [
    'one that lets answers through only',
    'iptables -P FORWARD DROP; iptables -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
    false,
    'policy drop',
  ],
  [
    'one that lets no answers through',
    'iptables -P FORWARD DROP; iptables -A FORWARD -i cni0 -j ACCEPT',
    false,
    'policy drop',
  ],
  [
    'a chain of a chain',
    'iptables -N A; iptables -N B; iptables -A FORWARD -j A; iptables -A A -g B; iptables -A B -j DROP',
    false,
    'drop',
  ],
  [
    'nftables with a map, as in nftables.conf',
    `nft -f - <<'N'
table inet filter {
  set out { type ifname; elements = { "cni9" }; }
  chain forward {
    type filter hook forward priority filter; policy drop;
    ct state vmap { established : accept, related : accept, invalid : drop }
    iifname { "cni8", "cni9*" } accept
  }
}
N`,
    false,
    'chain forward of table inet filter: policy drop',
  ],
  [
    'an accept elsewhere',
    'iptables -P FORWARD DROP; nft "add table ip x; add chain ip x f { type filter hook forward priority -5; }; add rule ip x f accept"',
    false,
    'policy drop',
  ],
]

/** Whether packets of a container get through with the plugin, whatever drops them without it. */
async function passesWithPlugin(kernel: Kernel, red: Answer): Promise<boolean> {
  await add(kernel, red)
  const passes = await gets(kernel, 'red', UPLINK.gateway, true)
  const { code } = await cni(kernel, 'CHECK', after(network(), red))
  await cni(kernel, 'DEL', after(config(), red), { file })
  return passes && code === undefined
}

it('what certainly drops the packets of a container is seen, in rules of nftables and of iptables, and nothing else', () =>
  withNamespaces(['red'], async (kernel) => {
    const red = await cni(kernel, 'ADD', network())
    const all = await everything(kernel)
    const found: unknown[] = []
    for (const [what, shell, isExpected, seen] of FILTERS) {
      await sh(kernel, shell)
      const passes = await gets(kernel, 'red', UPLINK.gateway, isExpected)
      const { msg } = await cni(kernel, 'CHECK', after(network(), red))
      const isSaid = seen === undefined ? msg === undefined : msg?.includes(seen) === true
      found.push([what, passes, isSaid ? seen : msg, passes || (await passesWithPlugin(kernel, red))])
      await sh(kernel, 'nft list tables | grep -v cnilab_ | while read -r _ table; do nft delete table $table; done')
    }
    expect(found).toEqual(FILTERS.map(([what, , passes, seen]) => [what, passes, seen, true]))
    expect(await everything(kernel)).toEqual(all)
  }))

it('bridge add and bridge check say what drops the packets of a container', () => {
  const output = onMachine(`ip netns add red; iptables -P FORWARD DROP
    cnilab bridge add c red --host >/run/out 2>&1; echo "exit $?"; tr '\\n' ' ' </run/out
    cnilab bridge check c red --host >/run/out 2>&1; echo "exit $?"; tr '\\n' ' ' </run/out
    iptables -P FORWARD ACCEPT; cnilab bridge check c red --host >/run/out 2>&1; echo "exit $?"`)
  const words = output.replaceAll(/\s+/g, ' ')
  expect(words).toMatch(
    /^exit 0 .*dropped by chain FORWARD of table ip filter: policy drop.* type firewall .*exit 1 .*dropped by chain FORWARD of table ip filter: policy drop.* type firewall .*exit 0 $/,
  )
})
