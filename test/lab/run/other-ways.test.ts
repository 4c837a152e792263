import { expect, it } from 'vitest'
import { assert } from '../../../src/lab/run/assert.ts'
import { checkLab } from '../../../src/lab/run/check.ts'
import { loadLab } from '../../../src/lab/run/load.ts'
import { doPlan } from '../../../src/engine/do.ts'
import { parseClaim } from '../../../src/assertions/registry.ts'
import type { Kernel } from '../../../src/kernel/kernel.ts'
import { withSandbox } from '../../helpers.ts'

const CHAIN = 'add table ip nat; add chain ip nat post { type nat hook postrouting priority 100; }'
const rule = (text: string) => `nft '${CHAIN}; add rule ip nat post ${text}'`

/** Ways to have the packets of the container come back translated. */
const translating = [
  rule('oif eth0 masquerade'),
  rule('oifname eth0 masquerade'),
  rule('iifname cni0 masquerade'),
  rule('ip saddr { 10.22.0.0/16, 10.23.0.0/16 } oifname eth0 masquerade'),
  rule('ip saddr 10.22.0.2 masquerade'),
  rule('ip saddr 10.22.0.0/16 ct state new masquerade'),
  rule('ip saddr 10.0.0.0/8 oifname eth0 snat to 203.0.113.2'),
  `nft '${CHAIN}; add chain ip nat m; add rule ip nat m masquerade; add rule ip nat post oifname eth0 jump m'`,
  `nft '${CHAIN}; add set ip nat s { type ipv4_addr; flags interval; elements = { 10.22.0.0/16 }; }; add rule ip nat post ip saddr @s masquerade'`,
  `nft 'add table inet nat; add chain inet nat post { type nat hook postrouting priority 100; }; add rule inet nat post meta oifname eth0 counter masquerade random'`,
  'iptables -t nat -A POSTROUTING -s 10.22.0.0/16 -o eth0 -j MASQUERADE',
  'iptables -t nat -A POSTROUTING -s 10.22.0.2 -j SNAT --to-source 203.0.113.2',
]

/** Rules that look like it. */
const idle = [
  rule('ip saddr 10.23.0.0/16 oifname eth0 masquerade'),
  rule('oifname lo masquerade'),
  rule('ip saddr { 10.23.0.0/16, 10.24.0.0/16 } masquerade'),
  `nft 'add table ip nat; add chain ip nat post; add rule ip nat post masquerade'`,
  rule('ip saddr 10.22.0.0/16 tcp dport 80 masquerade'),
]

const shell = async (kernel: Kernel, script: string) =>
  expect((await kernel.probe(['sh', '-ec', script])).stderr).toBe('')

/** What `lab check` says of the lab's operations and checks: the ids of those that failed, and the sentence of one. */
async function failures(kernel: Kernel, lab: Awaited<ReturnType<typeof loadLab>>, id = '') {
  const { findings } = await checkLab(kernel, lab, lab.steps.length)
  const said = findings.find((finding) => finding.id === id)?.actual
  return { failed: findings.filter(({ passed }) => passed !== true).map((finding) => finding.id), said }
}

it('who is seen translated is masqueraded, by whatever rule, and nobody else', async () => {
  await withSandbox(async (kernel) => {
    const lab = await loadLab('eight-steps')
    for (const step of lab.steps) await doPlan(kernel, step.operations)
    const claim = parseClaim('masquerade', { subnet: '10.22.0.0/16' })
    const asked = async (not: boolean) =>
      (await assert(kernel, { claim, not, wait: 0 }, 'masquerade', await kernel.read())).passed
    for (const how of translating) {
      await shell(kernel, `nft flush ruleset; ${how}`)
      expect([how, (await failures(kernel, lab)).failed]).toEqual([how, []])
      expect([how, await asked(false), await asked(true)]).toEqual([how, true, false])
    }
    await shell(kernel, `nft flush ruleset; ${rule('iifname cni0 masquerade')}`)
    expect((await failures(kernel, lab, 'masquerade.host.10.22.0.0/16')).said).toBe(
      'it is done in another way: the internet sees red as 203.0.113.2',
    )
    for (const how of idle) {
      await shell(kernel, `nft flush ruleset; ${how}`)
      expect([how, (await failures(kernel, lab)).failed[0]]).toEqual([how, 'masquerade.host.10.22.0.0/16'])
      expect([how, await asked(false), await asked(true)]).toEqual([how, false, true])
    }
    // What keeps packets from being seen is the only mistake.
    await shell(kernel, `nft flush ruleset; ${rule('iifname cni0 masquerade')}; sysctl -qw net.ipv4.ip_forward=0`)
    const { findings } = await checkLab(kernel, lab, lab.steps.length)
    expect(findings.filter(({ passed }) => passed === false).map(({ id }) => id)).toEqual([
      'sysctl.host.net.ipv4.ip_forward',
    ])
  })
})

it('a route counts that packets take, by whatever entries, and so does forwarding between the interfaces', async () => {
  await withSandbox(async (kernel) => {
    const lab = await loadLab('eight-steps')
    for (const step of lab.steps) await doPlan(kernel, step.operations)
    const id = 'route.red.default'
    await shell(
      kernel,
      'ip -n red route delete default; ip -n red route add 0.0.0.0/1 via 10.22.0.1; ip -n red route add 128.0.0.0/1 via 10.22.0.1',
    )
    expect(await failures(kernel, lab, id)).toEqual({
      failed: [],
      said: 'it is done in another way: the kernel sends packets for default via 10.22.0.1',
    })
    await shell(kernel, 'ip -n red route delete 0.0.0.0/1')
    expect((await failures(kernel, lab, id)).failed[0]).toBe(id)
    await shell(
      kernel,
      'ip -n red route delete 128.0.0.0/1; ip -n red route add default via 10.22.0.1 table 7; ip -n red rule add to all table 7',
    )
    expect((await failures(kernel, lab, id)).failed).toEqual([])
    await shell(
      kernel,
      'sysctl -qw net.ipv4.ip_forward=0 net.ipv4.conf.cni0.forwarding=1 net.ipv4.conf.eth0.forwarding=1',
    )
    expect((await failures(kernel, lab)).failed).toEqual([])
    await shell(kernel, 'sysctl -qw net.ipv4.conf.cni0.forwarding=0')
    expect((await failures(kernel, lab)).failed[0]).toBe('sysctl.host.net.ipv4.ip_forward')
  })
})
