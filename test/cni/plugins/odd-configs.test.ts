import { beforeAll, afterAll, describe, expect, it } from 'vitest'
import type { Kernel } from '../../../src/kernel/kernel.ts'
import { after, cni, everything, everythingButBridge, network, pings, sh, withNamespaces } from '../plugin.ts'

/** One sandbox for all cases: each leaves it as it was. */
let kernel: Kernel
const done = Promise.withResolvers<void>()
let ended: Promise<void>
beforeAll(async () => {
  const started = Promise.withResolvers<void>()
  ended = withNamespaces(['red', 'blue'], async (one) => {
    kernel = one
    await sh(kernel, 'sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1')
    started.resolve()
    await done.promise
  })
  await Promise.race([started.promise, ended])
})
afterAll(async () => {
  done.resolve()
  await ended
})

describe('keys in other capitals, and null', () => {
  it('make the same network', async () => {
    const before = await everythingButBridge(kernel)
    const config = {
      CNIVersion: '1.0.0',
      Name: 'mynet',
      Type: 'bridge',
      IsDefaultgateway: true,
      ipmasq: true,
      forceAddress: null,
      vlanTrunk: null,
      IPAM: { Type: 'host-local', Ranges: [[{ Subnet: '10.22.0.0/16', gateway: null }]], routes: null },
    }
    const added = await cni(kernel, 'ADD', config)
    expect(added).toMatchObject({ ips: [{ address: '10.22.0.2/16', gateway: '10.22.0.1' }] })
    expect(added.routes).toEqual([{ dst: '0.0.0.0/0', gw: '10.22.0.1' }])
    expect(await pings(kernel, 'red', '203.0.113.1')).toBe(true)
    const { dns: _dns, ...rest } = added
    const PrevResult = { ...rest, IPs: added.ips, Interfaces: added.interfaces, ips: null, interfaces: null }
    expect(await cni(kernel, 'CHECK', { ...config, PrevResult })).toEqual({})
    expect(await cni(kernel, 'DEL', config)).toEqual({})
    expect(await everythingButBridge(kernel)).toEqual(before)
  })

  it.each([
    ['no type', { subnet: '10.22.0.0/16' }],
    ['text', 'host-local'],
    ['a name of a key that is nearly right', { tipe: 'host-local', subnet: '10.22.0.0/16' }],
  ])('that leave a container without an address are refused: "ipam" is %s', async (_, ipam) => {
    const before = await everything(kernel)
    expect(await cni(kernel, 'ADD', network({ ipam }))).toMatchObject({ code: 7, msg: expect.stringContaining('ipam') })
    expect(await cni(kernel, 'DEL', network({ ipam }))).toEqual({})
    expect(await everything(kernel)).toEqual(before)
  })

  it.each([[null], [{}]])('may say on purpose that there is none: %j', async (ipam) => {
    const added = await cni(kernel, 'ADD', network({ ipam }))
    expect(added.ips).toBeUndefined()
    expect(added.interfaces).toHaveLength(3)
    expect(await cni(kernel, 'CHECK', after(network({ ipam }), added))).toEqual({})
    expect(await cni(kernel, 'DEL', network({ ipam }))).toEqual({})
  })
})
