import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { cli } from '../../helpers.ts'
import { after, cni, everything, json, network, pings, sh, withNamespaces } from '../plugin.ts'

const { status } = spawnSync('unshare', [
  '-Urn',
  'ip',
  'link',
  'add',
  'name',
  'b',
  'type',
  'bridge',
  'vlan_filtering',
  '1',
])
const canFilter = status === 0

/** Kernels that filter VLANs need not have nftables for IPv4, such as that of user-mode-linux. */
const plain = (more: object) => network({ ipMasq: false, ...more })
/** A network in which only containers of the same VLAN reach each other; the host is in it, too. */
const tagged = (vlan: number) => plain({ vlan })

it.skipIf(canFilter)('a kernel that cannot filter VLANs: ADD says so, and leaves nothing (skipped where it can)', () =>
  withNamespaces(['red'], async (kernel) => {
    const before = await everything(kernel)
    for (const config of [tagged(100), plain({ vlanTrunk: [{ minID: 10, maxID: 20 }, { id: 30 }] })]) {
      const refused = await cni(kernel, 'ADD', config)
      expect(refused).toMatchObject({ code: 100, details: expect.stringContaining('vlan_filtering 1') })
      expect(refused.msg).toContain('VLAN')
      expect(await everything(kernel)).toEqual(before)
      expect(await cni(kernel, 'DEL', config)).toEqual({})
    }
  }),
)

it.each([
  [{ vlan: 4095 }, 'vlan'],
  [{ vlan: 4094, bridge: 'br-0123456789' }, 'vlan: interface name'],
  [{ vlanTrunk: [{ minID: 20, maxID: 10 }] }, 'minID is larger'],
  [{ vlanTrunk: [{ minID: 20 }] }, 'a trunk has'],
  [{ vlanTrunk: [{}] }, 'a trunk has'],
  [{ vlanTrunk: [{ id: 0 }] }, 'vlanTrunk'],
])('%j is refused', (more, words) =>
  withNamespaces(['red'], async (kernel) => {
    const before = await everything(kernel)
    expect(await cni(kernel, 'ADD', network(more))).toMatchObject({ code: 7, msg: expect.stringContaining(words) })
    expect(await everything(kernel)).toEqual(before)
  }),
)

describe.skipIf(!canFilter)('VLANs (skipped: this kernel has no CONFIG_BRIDGE_VLAN_FILTERING)', () => {
  const ipam = { type: 'host-local', subnet: '10.23.0.0/16' }
  const other = { ...tagged(200), name: 'other', isDefaultGateway: true, ipam }
  const other100 = { ...other, vlan: 100 }

  it('a container reaches those of its VLAN, and the gateway in it; two VLANs share a bridge', () =>
    withNamespaces(['red', 'blue', 'other'], async (kernel) => {
      const config = tagged(100)
      const red = await cni(kernel, 'ADD', config)
      await cni(kernel, 'ADD', config, { netns: 'blue' })
      await cni(kernel, 'ADD', other, { netns: 'other' })
      expect(red.interfaces?.map(({ name }) => name).toSpliced(1, 1)).toEqual(['cni0', 'eth0', 'cni0.100'])
      expect(red.ips).toMatchObject([{ address: '10.22.0.2/16', interface: 2 }])
      for (const address of ['10.22.0.1', '10.22.0.3', '10.23.0.1', '10.23.0.2'])
        expect(await pings(kernel, 'red', address), address).toBe(true)
      expect(await pings(kernel, 'other', '10.23.0.1')).toBe(true)
      // On one wire it would be reached without the host's help.
      await sh(kernel, 'ip address add 10.22.0.9/16 dev eth0', 'other')
      expect(await pings(kernel, 'red', '10.22.0.9')).toBe(false)
      const end = red.interfaces?.[1]?.name
      expect(await json(kernel, `bridge -j vlan show dev ${end}`)).toMatchObject([
        {
          vlans: [
            { vlan: 1, flags: ['Egress Untagged'] },
            { vlan: 100, flags: ['PVID', 'Egress Untagged'] },
          ],
        },
      ])
      expect(await cni(kernel, 'CHECK', after(config, red))).toEqual({})
      for (const change of [
        `vlan add dev ${end} vid 100`,
        `vlan del dev ${end} vid 100`,
        'vlan del dev cni0 vid 100 self',
      ]) {
        await sh(kernel, `bridge ${change}`)
        expect(await cni(kernel, 'CHECK', after(config, red)), change).toMatchObject({ code: 102 })
        await sh(kernel, `bridge vlan add dev ${end} vid 100 pvid untagged; bridge vlan add dev cni0 vid 100 self`)
      }
      await sh(kernel, 'ip link delete cni0.100')
      expect(await cni(kernel, 'CHECK', after(config, red))).toMatchObject({ code: 102 })
    }))

  it('an ADD that fails leaves the VLAN as it was, for those who are in it, or not at all', () =>
    withNamespaces(['red', 'blue'], async (kernel) => {
      const taken = { ...tagged(100), ipam: { type: 'static', addresses: [{ address: '10.22.0.300/16' }] } }
      const failing = { ...tagged(100), mtu: 10 } // the kernel refuses so small a cable
      for (const config of [taken, failing]) {
        const before = await everything(kernel)
        expect((await cni(kernel, 'ADD', config)).code).toBeGreaterThan(0)
        expect(await everything(kernel)).toEqual(before)
      }
      // Of a port that is in the VLAN, too, but needs no gateway in it.
      await cni(kernel, 'ADD', plain({ name: 'trunk', vlanTrunk: [{ minID: 10, maxID: 150 }] }), { ifname: 'eth1' })
      const between = await everything(kernel)
      expect((await cni(kernel, 'ADD', failing)).code).toBeGreaterThan(0)
      expect(await everything(kernel)).toEqual(between)
      expect(await sh(kernel, 'bridge vlan show dev cni0')).not.toContain('100')
      await cni(kernel, 'ADD', tagged(100))
      const before = await everything(kernel)
      expect((await cni(kernel, 'ADD', failing, { netns: 'blue' })).code).toBeGreaterThan(0)
      expect(await everything(kernel)).toEqual(before)
      expect(await pings(kernel, 'red', '10.22.0.1')).toBe(true)
    }))

  it('the gateway of VLAN 1 is the bridge; one that has another VLAN without a tag is left as it is', () =>
    withNamespaces(['red', 'blue'], async (kernel) => {
      const { interfaces } = await cni(kernel, 'ADD', tagged(1))
      expect(interfaces).toHaveLength(3)
      expect(await pings(kernel, 'red', '10.22.0.1')).toBe(true)
      await sh(kernel, 'bridge vlan add dev cni0 vid 100 pvid untagged self')
      const before = await everything(kernel)
      expect(await cni(kernel, 'ADD', other100, { netns: 'blue' })).toMatchObject({
        msg: expect.stringContaining('VLAN 100 without a tag'),
      })
      expect(await everything(kernel)).toEqual(before)
    }))

  it('a trunk lets its VLANs pass with their tags, and takes the default one away if asked to', () =>
    withNamespaces(['red', 'blue'], async (kernel) => {
      const trunk = { vlanTrunk: [{ minID: 10, maxID: 12 }, { id: 30 }] }
      const vlansOf = async (config: object, netns: string) => {
        const { interfaces } = await cni(kernel, 'ADD', plain(config), { netns })
        return JSON.stringify(await json(kernel, `bridge -j vlan show dev ${interfaces?.[1]?.name}`)).match(
          /\d+(?=[,}])/g,
        )
      }
      expect(await vlansOf(trunk, 'red')).toEqual(['1', '10', '11', '12', '30'])
      expect(await vlansOf({ ...trunk, preserveDefaultVlan: false }, 'blue')).toEqual(['10', '11', '12', '30'])
    }))

  it('bridge add and del take VLAN and bridge away with the last container', async () => {
    const file = join(mkdtempSync(join(tmpdir(), 'cnilab-vlan-')), 'vlan.conf')
    writeFileSync(file, JSON.stringify(tagged(100)))
    const state = async () => (await cli(['exec', '--', 'sh', '-c', 'ip -br link; ip -br address'])).stdout
    for (const netns of ['red', 'blue']) await cli(['netns', 'create', netns])
    const before = await state()
    for (const netns of ['red', 'blue']) {
      expect(await cli(['bridge', 'add', netns, netns, '--config', file])).toMatchObject({ code: 0, stderr: '' })
      expect(await cli(['bridge', 'check', netns, netns, '--config', file])).toMatchObject({ code: 0 })
    }
    expect((await cli(['bridge', 'del', 'red', 'red', '--config', file])).code).toBe(0)
    expect(await cli(['bridge', 'check', 'blue', 'blue', '--config', file])).toMatchObject({ code: 0 })
    expect((await cli(['exec', '--netns', 'blue', '--', 'ping', '-c1', '-W2', '10.22.0.1'])).code).toBe(0)
    expect((await cli(['bridge', 'del', 'blue', 'blue', '--config', file])).code).toBe(0)
    expect(await state()).toBe(before)
    rmSync(dirname(file), { recursive: true })
  })
})
