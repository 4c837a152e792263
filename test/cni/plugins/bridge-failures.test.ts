import { existsSync, lstatSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { Kernel } from '../../../src/kernel/kernel.ts'
import {
  after,
  BY_PROGRAMS,
  cni,
  type Config,
  everything,
  json,
  keeping,
  network,
  noReference,
  OURS,
  pings,
  REFERENCE,
  reserved,
  rich,
  sh,
  STORE,
  withNamespaces,
} from '../plugin.ts'

const reference = { file: `${REFERENCE}/bridge`, path: [REFERENCE] }
/** The folder of tools that fail, which come first on the path of the plugin `FAULTY`. */
const FAKE = '/tmp/fake'
const FAULTY = '/tmp/faulty'

const fakeTool = `#!/bin/sh
echo "\${0##*/} $*" >>${FAKE}/calls
[ "$(wc -l <${FAKE}/calls)" != "$(cat ${FAKE}/fail)" ] || { echo "injected failure" >&2; exit 1; }
PATH=\${PATH#${FAKE}:}
exec "\${0##*/}" "$@"
`

async function installFaulty(kernel: Kernel): Promise<void> {
  await sh(
    kernel,
    `mkdir ${FAKE}
cat >${FAKE}/ip <<'END'
${fakeTool}END
chmod 755 ${FAKE}/ip
for tool in nft bridge flock sysctl; do cp ${FAKE}/ip ${FAKE}/$tool; done
printf '#!/bin/sh\\n${BY_PROGRAMS} PATH=${FAKE}:$PATH exec ${OURS}/bridge\\n' >${FAULTY}
chmod 755 ${FAULTY}`,
  )
}

const off = 'net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0'

/** Makes the n-th tool that the plugin starts fail, without doing anything. */
const failAt = (kernel: Kernel, n: number) => sh(kernel, `: >${FAKE}/calls; echo ${n} >${FAKE}/fail`)
const callsOf = async (kernel: Kernel) => (await sh(kernel, `cat ${FAKE}/calls`)).trim().split('\n')

describe('whichever tool fails, where netlink cannot be had', () => {
  it.each([
    ['on a bridge of its own', async () => undefined],
    ['on a bridge that others are on', (kernel: Kernel) => cni(kernel, 'ADD', rich, { netns: 'blue' })],
    [
      'on a bridge that was there, down and without an address',
      (kernel: Kernel) =>
        sh(
          kernel,
          'ip link add name cni0 type bridge; ip link add name v type veth peer name w; ip link set dev v master cni0',
        ),
    ],
  ])('ADD %s leaves all as it was, or all is made', (_, prepare) =>
    withNamespaces(['red', 'blue'], async (kernel) => {
      await installFaulty(kernel)
      await prepare(kernel)
      let refusals = 0
      for (let n = 1; ; n++) {
        const before = await everything(kernel)
        await failAt(kernel, n)
        const result = await cni(kernel, 'ADD', rich, { file: FAULTY })
        const calls = await callsOf(kernel)
        if (calls.length < n) break
        const failed = calls[n - 1]
        const isAdded = result.code === undefined
        const wrong = isAdded ? await cni(kernel, 'CHECK', after(rich, result)) : { state: await everything(kernel) }
        expect(wrong, failed).toEqual(isAdded ? {} : { state: before })
        if (isAdded) {
          await cni(kernel, 'DEL', rich, { netns: 'blue' })
          await cni(kernel, 'DEL', rich)
          await sh(kernel, 'ip link delete dev cni0; ip link delete dev v 2>/dev/null || true; sysctl -qw ' + off)
          await prepare(kernel)
        } else refusals++
      }
      expect(refusals).toBeGreaterThan(4)
    }),
  )

  it('a second ADD leaves the first one whole', () =>
    withNamespaces(['red'], async (kernel) => {
      await installFaulty(kernel)
      for (const config of [rich, network({ isGateway: false, ipMasq: false, macspoofchk: true, ipam: {} })]) {
        const first = await cni(kernel, 'ADD', config)
        const state = await everything(kernel)
        for (let n = 1; ; n++) {
          await failAt(kernel, n)
          expect((await cni(kernel, 'ADD', config, { file: FAULTY })).code).toBeGreaterThan(0)
          expect(await everything(kernel), (await callsOf(kernel))[n - 1]).toEqual(state)
          if ((await callsOf(kernel)).length < n) break
        }
        expect(await cni(kernel, 'CHECK', after(config, first))).toEqual({})
        await cni(kernel, 'DEL', config)
      }
    }))

  it('DEL, called again, takes away what is left', () =>
    withNamespaces(['red', 'blue'], async (kernel) => {
      await installFaulty(kernel)
      await cni(kernel, 'ADD', rich, { netns: 'blue' })
      const state = await everything(kernel)
      for (let n = 1; ; n++) {
        const added = await cni(kernel, 'ADD', rich)
        expect(added.code).toBeUndefined()
        await failAt(kernel, n)
        await cni(kernel, 'DEL', after(rich, added), { file: FAULTY })
        const calls = await callsOf(kernel)
        expect(await cni(kernel, 'DEL', rich)).toEqual({})
        expect(await everything(kernel), calls[n - 1]).toEqual(state)
        if (calls.length < n) break
      }
    }))
})

it('a failed IPAM leaves no cable, and a new bridge goes again', () =>
  withNamespaces(['red', 'blue'], async (kernel) => {
    const config = network({}, { rangeStart: '10.22.0.2', rangeEnd: '10.22.0.2' })
    await cni(kernel, 'ADD', config, { netns: 'blue' })
    const before = await everything(kernel)
    expect(await cni(kernel, 'ADD', config)).toMatchObject({
      cniVersion: '1.1.0',
      code: 103,
      msg: expect.stringContaining('no address is free in 10.22.0.2'),
      details: expect.stringContaining(`${STORE}/mynet`),
    })
    expect(await everything(kernel)).toEqual(before)
    expect(await cni(kernel, 'ADD', { ...config, ipam: { type: 'none' } })).toMatchObject({
      code: 7,
      msg: expect.stringContaining("no plugin 'none' in CNI_PATH"),
    })
    expect(await everything(kernel)).toEqual(before)
    expect(await cni(kernel, 'STATUS', config)).toMatchObject({ code: 50, cniVersion: '1.1.0' })
    expect(await cni(kernel, 'DEL', config, { netns: 'blue' })).toEqual({})
    expect(await cni(kernel, 'STATUS', config)).toEqual({})
  }))

it('STATUS says which program is missing, if the network needs it, and netlink cannot be had', () =>
  withNamespaces([], async (kernel) => {
    await sh(
      kernel,
      `mount --bind /dev/null "$(readlink -f "$(command -v nft)")"
      for type in bridge portmap; do printf "#!/bin/sh\n${BY_PROGRAMS} exec ${OURS}/$type\n" >/tmp/$type; chmod 755 /tmp/$type; done`,
    )
    const [bridge, portmap] = [{ file: '/tmp/bridge' }, { file: '/tmp/portmap' }]
    const missing = { code: 50, msg: expect.stringContaining(': nft') }
    expect(await cni(kernel, 'STATUS', network(), bridge)).toMatchObject(missing)
    expect(await cni(kernel, 'STATUS', network({ ipMasq: false }), bridge)).toEqual({})
    expect(await cni(kernel, 'STATUS', { ...network(), type: 'portmap' }, portmap)).toMatchObject(missing)
    expect(await cni(kernel, 'STATUS', network())).toEqual({}) // by netlink it needs none
  }))

it('a failing ADD takes away the bridge that it made', () =>
  withNamespaces(['red'], async (kernel) => {
    const before = await everything(kernel)
    const unroutable = network({}, { routes: [{ dst: '192.0.2.0/24', gw: '198.51.100.1' }] })
    expect((await cni(kernel, 'ADD', unroutable)).code).toBe(100)
    expect(await everything(kernel)).toEqual(before)
  }))

const canHideNft = existsSync('/usr/sbin/nft') && !lstatSync('/usr/sbin').isSymbolicLink()

it.skipIf(!canHideNft)('a network without rules needs no nft (skipped where nft cannot be hidden alone)', () =>
  withNamespaces(['red', 'blue'], async (kernel) => {
    const file = '/tmp/without-nft'
    await sh(
      kernel,
      `mkdir /tmp/sbin; cp /usr/sbin/sysctl /tmp/sbin
printf '#!/bin/sh\\nexec unshare --mount sh -c "mount --bind /tmp/sbin /usr/sbin && ${BY_PROGRAMS} exec ${OURS}/bridge"\\n' >${file}
chmod 755 ${file}`,
    )
    const before = await everything(kernel)
    expect(await cni(kernel, 'ADD', network(), { file })).toMatchObject({
      code: 104,
      msg: expect.stringContaining('nft is not installed'),
    })
    expect(await everything(kernel)).toEqual(before)
    const config = network({ ipMasq: false })
    for (const netns of ['red', 'blue']) expect((await cni(kernel, 'ADD', config, { file, netns })).msg).toBeUndefined()
    expect(await cni(kernel, 'DEL', config, { file })).toEqual({})
    expect(await cni(kernel, 'GC', keeping(config), { file })).toEqual({})
    expect(await json(kernel, 'ip -j link show master cni0')).toEqual([])
    expect(await reserved(kernel)).toEqual([])
  }),
)

it('DEL without a namespace leaves no rule', () =>
  withNamespaces(['red'], async (kernel) => {
    const config = network({ macspoofchk: true })
    const added = await cni(kernel, 'ADD', config)
    expect(await sh(kernel, 'nft list ruleset')).toContain('10.22.0.2')
    expect(await cni(kernel, 'DEL', after(config, added), { netns: '', containerId: 'c-red' })).toEqual({})
    expect(await sh(kernel, 'nft list ruleset')).toBe('')
    expect(await json(kernel, 'ip -j link show type veth', 'red')).toEqual([])
    expect(await reserved(kernel)).toEqual([])
  }))

it('two attachments of one container do not touch each other', () =>
  withNamespaces(['red'], async (kernel) => {
    await cni(kernel, 'ADD', network(), { ifname: 'eth1' })
    const alone = await everything(kernel)
    const first = await cni(kernel, 'ADD', network())
    expect(await cni(kernel, 'DEL', after(network(), first))).toEqual({})
    expect(await everything(kernel)).toEqual(alone)
    expect(await sh(kernel, 'nft list ruleset')).toContain('10.22.0.2')
  }))

it.skipIf(noReference)(`the reference fails in each of these (needs ${REFERENCE})`, () =>
  withNamespaces(['red', 'blue'], async (kernel) => {
    const config = network({ cniVersion: '1.0.0' })
    // A rule stays after a DEL without a namespace.
    const added = await cni(kernel, 'ADD', config, reference)
    await cni(kernel, 'DEL', after(config, added), { ...reference, netns: '', containerId: 'c-red' })
    expect(await sh(kernel, 'nft list ruleset')).toContain('10.22.0.2')
    // The DEL of one of two attachments takes away the other one's rules.
    await sh(kernel, 'ip netns delete red; ip netns add red; nft flush ruleset')
    const [one] = [
      await cni(kernel, 'ADD', config, reference),
      await cni(kernel, 'ADD', config, { ...reference, ifname: 'eth1' }),
    ]
    expect(await sh(kernel, 'nft list ruleset')).toContain('masquerade')
    await cni(kernel, 'DEL', after(config, one), reference)
    expect(await sh(kernel, 'nft list ruleset')).not.toContain('masquerade')
    await cni(kernel, 'DEL', config, { ...reference, ifname: 'eth1' })
    // A failed IPAM leaves a cable.
    await cni(kernel, 'ADD', { ...config, ipam: { type: 'none' } }, reference)
    expect(await json(kernel, 'ip -j link show type veth', 'red')).toHaveLength(1)
    await sh(kernel, 'ip link delete dev eth0', 'red')
    // A gateway that is in the way leaves an interface with an address that is free again.
    const other = network({ name: 'other', cniVersion: '1.0.0' }, { subnet: '10.23.0.0/16' })
    expect((await cni(kernel, 'ADD', other, reference)).code).toBe(999)
    expect(await sh(kernel, 'ip -br address show dev eth0', 'red')).toContain('10.23.0.2/16')
    expect(await reserved(kernel)).toEqual([])
    await sh(kernel, 'ip link delete dev eth0', 'red')
    // On layer 2 alone CHECK always fails.
    const flat = network({ cniVersion: '1.0.0', isGateway: false, ipMasq: false, ipam: {} })
    const made = await cni(kernel, 'ADD', flat, reference)
    expect((await cni(kernel, 'CHECK', after(flat, made), reference)).code).toBe(999)
  }),
)

describe('CHECK', () => {
  const port = (words: string) => `ip link set dev "$(ls /sys/class/net/cni0/brif)" ${words}`
  const config = network(
    { hairpinMode: true, macspoofchk: true },
    { routes: [{ dst: '192.0.2.0/24' }, { dst: '0.0.0.0/0' }] },
  )

  it.each([
    ['the port detached from the bridge', port('nomaster'), undefined, 'not a port of any bridge'],
    ['the bridge down', 'ip link set dev cni0 down', undefined, 'cni0 is down'],
    ['the bridge gone', 'ip link delete dev cni0', undefined, 'there is no interface cni0'],
    ["the host's end down", port('down'), undefined, 'is down'],
    ["the container's end down", 'ip link set dev eth0 down', 'red', 'eth0 in namespace red is down'],
    ["the container's end gone", 'ip link delete dev eth0', 'red', 'eth0'],
    ['an address removed', 'ip address delete 10.22.0.2/16 dev eth0', 'red', 'eth0 in namespace red has no address'],
    ['a route removed', 'ip route delete 192.0.2.0/24', 'red', 'no route to 192.0.2.0/24'],
    ['the default route elsewhere', 'ip route replace default via 10.22.0.9', 'red', 'via 10.22.0.9'],
    ["the gateway's address removed", 'ip address delete 10.22.0.1/16 dev cni0', undefined, 'cni0 has no address'],
    ['the NAT rules removed', 'nft delete table ip cnilab_network_mynet', undefined, 'there is no such rule'],
    [
      'the NAT chain flushed',
      'nft flush chain ip cnilab_network_mynet postrouting_10_22_0_0_16',
      undefined,
      'no such rule',
    ],
    [
      'the NAT address removed',
      "nft 'flush set ip cnilab_network_mynet containers_10_22_0_0_16'",
      undefined,
      '10.22.0.2 is in no set',
    ],
    [
      'the MAC rule removed',
      'nft flush table bridge "$(nft list tables bridge | cut -d" " -f3)"',
      undefined,
      'no rule drops',
    ],
    ['forwarding off', 'echo 0 >/proc/sys/net/ipv4/ip_forward', undefined, 'net.ipv4.ip_forward is 0'],
    ['hairpin off', port('type bridge_slave hairpin off'), undefined, 'is a port of cni0'],
    ["the container's MAC changed", 'ip link set dev eth0 address 02:00:00:00:00:99', 'red', '02:00:00:00:00:99'],
    ["the host's MAC changed", port('address 02:00:00:00:00:99'), undefined, '02:00:00:00:00:99'],
    ['the address free for others', `rm ${STORE}/mynet/10.22.0.2`, undefined, 'has no address reserved'],
  ])('notices %s', (_, script, netns, words) =>
    withNamespaces(['red'], async (kernel) => {
      const added = await cni(kernel, 'ADD', config)
      expect(await cni(kernel, 'CHECK', after(config, added))).toEqual({})
      await sh(kernel, script, netns)
      const { code, msg, details } = await cni(kernel, 'CHECK', after(config, added))
      expect({ code, msg }).toEqual({ code: 102, msg: expect.stringContaining(words) })
      expect(details).not.toBe('')
    }),
  )

  it('tolerates what came later: routes, addresses, another port', () =>
    withNamespaces(['red', 'blue'], async (kernel) => {
      const added = await cni(kernel, 'ADD', config)
      await sh(kernel, 'ip route add 198.51.100.0/24 via 10.22.0.1; ip address add 10.9.9.9/24 dev eth0', 'red')
      await cni(kernel, 'ADD', config, { netns: 'blue' })
      expect(await cni(kernel, 'CHECK', after(config, added))).toEqual({})
    }))

  it('says what is wrong where the namespace is gone, or is none', () =>
    withNamespaces(['red'], async (kernel) => {
      const added = await cni(kernel, 'ADD', config)
      await sh(kernel, 'ip netns delete red')
      expect(await cni(kernel, 'CHECK', after(config, added))).toMatchObject({
        code: 8,
        msg: expect.stringContaining('/run/netns/red'),
      })
      await sh(kernel, ': >/run/netns/red')
      expect(await cni(kernel, 'ADD', config)).toMatchObject({ code: 8, msg: expect.stringContaining('is a file') })
    }))
})

it('GC takes away what belongs to no container, and keeps the others', () =>
  withNamespaces(['red', 'blue', 'gone'], async (kernel) => {
    const other = network({ name: 'mynet.2', bridge: 'cni1' }, { subnet: '10.24.0.0/16' })
    const config: Config = { ...rich, cniVersion: '1.1.0' }
    const red = await cni(kernel, 'ADD', config)
    await cni(kernel, 'ADD', other, { netns: 'blue' })
    const kept = await everything(kernel)
    await cni(kernel, 'ADD', config, { netns: 'blue', ifname: 'eth1' })
    await cni(kernel, 'ADD', config, { netns: 'gone' })
    await sh(kernel, 'ip netns delete gone')
    expect(await cni(kernel, 'GC', keeping(config, 'c-red'))).toEqual({})
    await sh(kernel, 'ip netns add gone')
    expect(await everything(kernel)).toEqual(kept)
    expect(await cni(kernel, 'CHECK', after(config, red))).toEqual({})
    expect(await pings(kernel, 'red', '10.22.0.1')).toBe(true)
    expect(await cni(kernel, 'GC', keeping(config))).toEqual({})
    expect(await json(kernel, 'ip -j link show type veth', 'red')).toEqual([])
    expect(await reserved(kernel)).toEqual(['mynet.2/10.24.0.2'])
    expect(await sh(kernel, 'nft list tables')).toBe('table ip cnilab_network_mynet.2\n')
  }))
