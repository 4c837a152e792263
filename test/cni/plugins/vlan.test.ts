import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
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

/** A network in which only containers of the same VLAN reach each other; the host is in it, too. */
const tagged = (vlan: number, more: object = {}) => network({ vlan, ...more })

it.skipIf(canFilter)('a kernel that cannot filter VLANs: ADD says so, and leaves nothing (skipped where it can)', () =>
  withNamespaces(['red'], async (kernel) => {
    const before = await everything(kernel)
    for (const config of [tagged(100), network({ vlanTrunk: [{ minID: 10, maxID: 20 }, { id: 30 }] })]) {
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
  it('a container reaches those of its VLAN, and the gateway in it', () =>
    withNamespaces(['red', 'blue', 'other'], async (kernel) => {
      const config = tagged(100)
      const red = await cni(kernel, 'ADD', config)
      await cni(kernel, 'ADD', config, { netns: 'blue' })
      await cni(kernel, 'ADD', tagged(200), { netns: 'other' })
      expect(await pings(kernel, 'red', '10.22.0.1')).toBe(true)
      expect(await pings(kernel, 'red', '10.22.0.3')).toBe(true)
      expect(await pings(kernel, 'red', '10.22.0.4')).toBe(false)
      expect(await json(kernel, `bridge -j vlan show dev ${red.interfaces?.[1]?.name}`)).toMatchObject([
        { vlans: [{ vlan: 100, flags: ['PVID', 'Egress Untagged'] }] },
      ])
      expect(await cni(kernel, 'CHECK', after(config, red))).toEqual({})
      await sh(kernel, `bridge vlan del dev ${red.interfaces?.[1]?.name} vid 100`)
      expect(await cni(kernel, 'CHECK', after(config, red))).toMatchObject({ code: 102 })
    }))

  it('a trunk lets its VLANs pass with their tags, and keeps the default one if asked to', () =>
    withNamespaces(['red', 'blue'], async (kernel) => {
      const trunk = { vlanTrunk: [{ minID: 10, maxID: 12 }, { id: 30 }] }
      const vlansOf = async (config: object, netns: string) => {
        const { interfaces } = await cni(kernel, 'ADD', network(config), { netns })
        return JSON.stringify(await json(kernel, `bridge -j vlan show dev ${interfaces?.[1]?.name}`)).match(
          /\d+(?=[,}])/g,
        )
      }
      expect(await vlansOf({ ...trunk, preserveDefaultVlan: true }, 'red')).toEqual(['1', '10', '11', '12', '30'])
      expect(await vlansOf({ ...trunk, preserveDefaultVlan: false }, 'blue')).toEqual(['10', '11', '12', '30'])
    }))
})
