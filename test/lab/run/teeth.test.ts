import { expect, it } from 'vitest'
import { doPlan } from '../../../src/engine/do.ts'
import type { Kernel } from '../../../src/kernel/kernel.ts'
import type { Lab } from '../../../src/lab/format/lab.ts'
import { parseLab } from '../../../src/lab/format/parse.ts'
import { checkLab } from '../../../src/lab/run/check.ts'
import { loadLab } from '../../../src/lab/run/load.ts'
import { runCommands } from '../../../src/lab/run/steps.ts'
import { withSandbox } from '../../helpers.ts'

const shell = async (kernel: Kernel, script: string) =>
  expect((await kernel.probe(['sh', '-ec', script])).stderr).toBe('')

/** Does all of a lab. */
async function build(kernel: Kernel, lab: Lab): Promise<void> {
  await doPlan(kernel, lab.start)
  for (const { operations, run } of lab.steps) {
    await doPlan(kernel, operations)
    await runCommands(kernel, run)
  }
}

/** What `lab check` calls wrong, with what is there. */
async function wrong(kernel: Kernel, lab: Lab): Promise<string[]> {
  const { findings } = await checkLab(kernel, lab, lab.steps.length)
  return findings.flatMap(({ passed, id, actual }) => (passed === false ? [`${id}: ${actual}`] : []))
}

const drop = (rule: string) =>
  `nft 'add table inet f; add chain inet f forward { type filter hook forward priority 0; }; add rule inet f forward ${rule}'`
const undrop = 'nft delete table inet f'
const mtus = (container: number, host: number) =>
  `ip -n red link set eth0 mtu ${container}; ip link set veth-b mtu ${host}`

it('a network through which full packets or TCP do not pass is not done', async () => {
  await withSandbox(async (kernel) => {
    const lab = await loadLab('eight-steps')
    await build(kernel, lab)
    expect(await wrong(kernel, lab)).toEqual([])
    const faults = [
      [drop('meta l4proto tcp drop'), undrop, 'answers pings, but not TCP on port 80: no answer'],
      [drop('meta l4proto tcp reject with tcp reset'), undrop, 'but not TCP on port 80: connection refused'],
      [drop('meta length > 1000 drop'), undrop, 'answers small packets, but none of 1500 bytes'],
      [mtus(9000, 1280), mtus(1500, 1500), 'none of 9000 bytes'],
      [mtus(1500, 1280), mtus(1500, 1500), 'none of 1500 bytes'],
      [mtus(1280, 1500), mtus(1500, 1500), 'none of 1500 bytes'],
    ] as const
    for (const [fault, mended, words] of faults) {
      await shell(kernel, fault)
      const found = await wrong(kernel, lab)
      expect([fault, found]).toEqual([fault, [expect.stringContaining(words)]])
      expect(found[0]).toMatch(/^ping\.red\.203\.0\.113\.1: /)
      await shell(kernel, mended)
    }
    // Small, but the same at both ends; and a narrow place that says so.
    await shell(kernel, mtus(1400, 1400))
    expect(await wrong(kernel, lab)).toEqual([])
    await shell(kernel, `${mtus(1500, 1500)}; ip link set eth0 mtu 1300; ip -n internet link set eth0 mtu 1300`)
    expect(await wrong(kernel, lab)).toEqual([])
    await shell(kernel, 'ip link set eth0 mtu 1500; ip -n internet link set eth0 mtu 1500')

    // What was learned of neighbours lets packets pass for a while, though nobody would learn it any more.
    const unheard = [
      ['ip link set eth0 master cni0', 'ip link set eth0 nomaster'],
      ['sysctl -qw net.ipv4.conf.cni0.arp_ignore=8', 'sysctl -qw net.ipv4.conf.cni0.arp_ignore=0'],
    ] as const
    for (const [fault, mended] of unheard) {
      await shell(kernel, `ip netns exec red ping -qc1 203.0.113.1; ${fault}; ip netns exec red ping -qc1 203.0.113.1`)
      expect([fault, (await wrong(kernel, lab))[0]]).toEqual([fault, expect.stringMatching(/^ping\.red\..* no answer/)])
      await shell(kernel, mended)
      expect([mended, await wrong(kernel, lab)]).toEqual([mended, []])
    }
    const known = async () => (await kernel.probe(['ip', 'neighbour', 'show', '10.22.0.1'], 'red')).stdout
    const before = await known()
    expect(before).toContain('lladdr')
    await shell(kernel, 'ip -n red neighbour change 10.22.0.1 dev eth0 nud stale')
    await wrong(kernel, lab)
    expect(await known()).toBe(before) // who answers stays known
  })
})

it('the default route of the host is missed, by whatever entries it is there', async () => {
  await withSandbox(async (kernel) => {
    const lab = await loadLab('eight-steps')
    await build(kernel, lab)
    await shell(kernel, 'ip route delete default')
    expect(await wrong(kernel, lab)).toEqual([expect.stringMatching(/^route\.host\.default: .*ip route add default/)])
    const { steps } = await checkLab(kernel, lab, lab.steps.length)
    expect(steps.at(-1)?.status).toBe('next')
    await shell(kernel, 'ip route add 0.0.0.0/1 via 203.0.113.1; ip route add 128.0.0.0/1 via 203.0.113.1')
    expect(await wrong(kernel, lab)).toEqual([])
    // A lab may be about it.
    await shell(kernel, 'ip route delete 0.0.0.0/1; ip route delete 128.0.0.0/1')
    const about = parseLab(
      'version: 1\nid: t\ntitle: T\ntext: t\nsteps:\n  - { id: a, title: a, text: t, run: [{ argv: [ip, route, delete, default] }], checks: [{ not: { route: { dst: default } } }] }\n',
      'x.yaml',
    )
    expect(await wrong(kernel, about)).toEqual([])
  })
})

it('an address that is where it belongs, and also at the other end, is wrong', async () => {
  await withSandbox(async (kernel) => {
    const lab = await loadLab('two-namespaces')
    const upTo = { ...lab, steps: lab.steps.slice(0, 4) }
    await build(kernel, upTo)
    expect(await wrong(kernel, upTo)).toEqual([])
    await shell(kernel, 'ip -n red address add 10.22.0.2/24 dev veth-red')
    expect(await wrong(kernel, upTo)).toEqual([
      'address.blue.veth-blue.10.22.0.2: 10.22.0.2 is on veth-blue in namespace blue, and on veth-red in namespace red, too',
    ])
    await shell(kernel, 'ip -n red address delete 10.22.0.2/24 dev veth-red; ip address add 10.22.0.1/32 dev lo')
    expect(await wrong(kernel, upTo)).toEqual([expect.stringContaining('and on lo, too')])
  })
  await withSandbox(async (kernel) => {
    const lab = await loadLab('by-hand')
    await build(kernel, lab)
    expect(await wrong(kernel, lab)).toEqual([])
    // What a command was to change is changed.
    expect(await runCommands(kernel, lab.steps.at(-1)?.run ?? [])).toEqual([])
    await shell(kernel, drop('meta l4proto tcp drop'))
    expect(await wrong(kernel, lab)).toEqual([expect.stringContaining('but not TCP on port 80')])
    await shell(kernel, `${undrop}; ip -n red address add 10.22.0.3/32 dev lo`)
    expect((await wrong(kernel, lab))[0]).toContain('and on lo in namespace red, too')
  })
})

it('a lab says which packets, and one that closes a way to TCP is not asked for it', async () => {
  const lab = (checks: string) =>
    parseLab(
      `version: 1\nid: t\ntitle: T\ntext: t\nsteps:\n  - { id: a, title: a, text: t, run: [{ argv: ["true"] }], checks: [${checks}] }\n`,
      'x.yaml',
    )
  const ping = (more = '') => `{ ping: { from: red, to: 10.0.0.2${more} } }`
  const closed = '{ not: { tcp: { from: red, to: 10.0.0.2, port: 99 } } }'
  await withSandbox(async (kernel) => {
    await shell(
      kernel,
      `ip netns add red; ip netns add blue; ip link add name a netns red type veth peer name b netns blue
      ip -n red address add 10.0.0.1/24 dev a; ip -n blue address add 10.0.0.2/24 dev b
      ip -n red link set dev a up; ip -n blue link set dev b up
      ip netns exec blue nft 'add table ip f; add chain ip f in { type filter hook input priority 0; }; add rule ip f in meta l4proto tcp reject with tcp reset'`.replaceAll(
        '\n',
        ';',
      ),
    )
    expect(await wrong(kernel, lab(ping()))).toEqual([expect.stringContaining('connection refused')])
    for (const checks of [ping(', packets: full'), ping(', packets: small'), `${ping()}, ${closed}`])
      expect([checks, await wrong(kernel, lab(checks))]).toEqual([checks, []])
    await shell(kernel, 'ip -n blue link set dev b mtu 1280')
    expect(await wrong(kernel, lab(ping(', packets: small')))).toEqual([])
    for (const checks of [ping(', packets: full'), `${ping()}, ${closed}`])
      expect([checks, await wrong(kernel, lab(checks))]).toEqual([checks, [expect.stringContaining('1500 bytes')]])
  })
  expect(() => lab(ping(', packets: big'))).toThrow('small, full or all')
})
