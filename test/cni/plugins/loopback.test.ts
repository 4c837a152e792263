import { expect, it } from 'vitest'
import { after, cni, json, noReference, OURS, pings, REFERENCE, sh, withNamespaces } from '../plugin.ts'

const config = { cniVersion: '1.1.0', name: 'lo', type: 'loopback' }
const given = { file: `${OURS}/loopback`, ifname: 'lo' }

it('brings lo up, which then answers, and says what it has', () =>
  withNamespaces(['red'], async (kernel) => {
    const result = await cni(kernel, 'ADD', config, given)
    expect(result).toMatchObject({
      interfaces: [{ name: 'lo', mac: '00:00:00:00:00:00', sandbox: '/run/netns/red' }],
      ips: [
        { address: '127.0.0.1/8', interface: 0 },
        { address: '::1/128', interface: 0 },
      ],
    })
    expect(await json(kernel, 'ip -j link show dev lo up', 'red')).toMatchObject([{ ifname: 'lo' }])
    expect(await pings(kernel, 'red', '127.0.0.1')).toBe(true)
    expect(await pings(kernel, 'red', '::1')).toBe(true)
    expect(await cni(kernel, 'CHECK', after(config, result), given)).toEqual({})
    expect(await cni(kernel, 'ADD', config, given)).toEqual(result)
    await sh(kernel, 'ip link set dev lo down', 'red')
    expect(await cni(kernel, 'CHECK', after(config, result), given)).toMatchObject({
      code: 102,
      msg: expect.stringContaining('lo in namespace red is down'),
    })
  }))

it('DEL, GC and STATUS succeed whatever there is', () =>
  withNamespaces(['red'], async (kernel) => {
    await cni(kernel, 'ADD', config, given)
    for (const netns of ['red', 'nowhere', ''])
      expect(await cni(kernel, 'DEL', config, { ...given, netns, containerId: 'c' })).toEqual({})
    expect(await cni(kernel, 'GC', { ...config, 'cni.dev/valid-attachments': [] }, given)).toEqual({})
    expect(await cni(kernel, 'STATUS', config, given)).toEqual({})
    expect(await cni(kernel, 'ADD', config, { ...given, netns: 'nowhere' })).toMatchObject({ code: 8 })
  }))

it('passes on what the plugins before it made', () =>
  withNamespaces(['red'], async (kernel) => {
    const prevResult = { cniVersion: '1.1.0', interfaces: [{ name: 'eth0' }], dns: { domain: 'example.test' } }
    expect(await cni(kernel, 'ADD', { ...config, prevResult }, given)).toEqual(prevResult)
    expect(await json(kernel, 'ip -j link show dev lo up', 'red')).toMatchObject([{ ifname: 'lo' }])
  }))

it.skipIf(noReference)(`gives the result that the reference gives (needs ${REFERENCE})`, () =>
  withNamespaces(['red', 'blue'], async (kernel) => {
    const old = { ...config, cniVersion: '1.0.0' }
    const ours = await cni(kernel, 'ADD', old, given)
    const theirs = await cni(kernel, 'ADD', old, { ...given, file: `${REFERENCE}/loopback`, netns: 'blue' })
    expect(ours).toEqual({
      ...theirs,
      interfaces: theirs.interfaces?.map((one) => ({ ...one, sandbox: '/run/netns/red' })),
    })
  }),
)
