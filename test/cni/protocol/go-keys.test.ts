import { describe, expect, it } from 'vitest'
import { withListKeys, withPluginKeys } from '../../../src/cni/protocol/go-keys.ts'
import { parseResult } from '../../../src/cni/protocol/result.ts'

/** All keys in capitals, but those that are names of somebody's: of capabilities, sysctls, and what no plugin of ours knows. */
function shout(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shout)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) =>
      key === 'capabilities' || key === 'sysctl' ? [key.toUpperCase(), item] : [key.toUpperCase(), shout(item)],
    ),
  )
}

const ipam = {
  type: 'host-local',
  ranges: [[{ subnet: '10.1.0.0/24', rangeStart: '10.1.0.5', rangeEnd: '10.1.0.9', gateway: '10.1.0.1' }]],
  routes: [{ dst: '0.0.0.0/0', gw: '10.1.0.1', mtu: 1400 }],
  dataDir: '/run/x',
  resolvConf: '',
}
const result = {
  cniVersion: '1.0.0',
  interfaces: [{ name: 'eth0', mac: '02:00:00:00:00:01', sandbox: '/run/netns/red' }],
  ips: [{ address: '10.1.0.5/24', gateway: '10.1.0.1', interface: 0 }],
  routes: [{ dst: '0.0.0.0/0', gw: '10.1.0.1' }],
  dns: { nameservers: ['10.1.0.1'] },
}

describe('keys as plugins in Go read them', () => {
  it.each([
    {
      type: 'bridge',
      isDefaultGateway: true,
      ipMasq: true,
      vlanTrunk: [{ minID: 5, maxID: 6 }],
      capabilities: { mac: true, ips: true },
      dns: { nameservers: ['10.1.0.1'], search: ['a'] },
      ipam,
      args: { cni: { mac: '02:00:00:00:00:01', ips: ['10.1.0.5'] } },
      prevResult: result,
    },
    {
      type: 'portmap',
      snat: true,
      conditionsV4: ['a'],
      runtimeConfig: {
        portMappings: [{ hostPort: 80, containerPort: 81, protocol: 'tcp', hostIP: '10.0.0.1' }],
        ipRanges: [[{ subnet: '10.1.0.0/24', rangeStart: '10.1.0.5' }]],
      },
    },
    { type: 'ptp', ipam: { type: 'static', addresses: [{ address: '10.1.0.5/24', gateway: '10.1.0.1' }] } },
    { type: 'tuning', sysctl: { 'net.core.somaxconn': '500' }, promisc: true },
    { 'cni.dev/valid-attachments': [{ containerID: 'c', ifname: 'eth0' }] },
  ])('count without regard to capitals: %j', (config) => {
    expect(withPluginKeys(config)).toEqual(config)
    const shouted = JSON.parse(JSON.stringify(shout(config)))
    expect(withPluginKeys(shouted)).toEqual(config)
    const list = { cniVersion: '1.0.0', name: 'a', disableCheck: true, plugins: [config] }
    const { cniVersion, ...rest } = list
    expect(withListKeys({ CNIVersion: cniVersion, Name: rest.name, DISABLECHECK: true, Plugins: [shouted] })).toEqual(
      list,
    )
  })

  it('may be null, which is the same as missing; the last one counts; objects are put together', () => {
    const written =
      '{"type":"bridge","isGateway":true,"ISGATEWAY":null,"ipMasq":true,"IPMasq":false,"ipam":{"type":"static"},"IPAM":{"Addresses":null,"routes":[]},"dns":null,"args":{"cni":null}}'
    expect(withPluginKeys(JSON.parse(written))).toEqual({
      type: 'bridge',
      isGateway: true,
      ipMasq: false,
      ipam: { type: 'static', routes: [] },
      args: {},
    })
  })

  it('that are unknown stay, with null, and names of capabilities and of inherited properties', () => {
    const odd = JSON.parse(
      '{"Unknown":null,"__proto__":{"type":"x"},"constructor":1,"capabilities":{"PortMappings":true}}',
    )
    expect(JSON.stringify(withPluginKeys(odd))).toBe(JSON.stringify(odd))
  })

  it('are read so in results, too', () => {
    expect(parseResult(shout(result))).toEqual(parseResult(result))
    const old = { cniVersion: '0.2.0', ip4: { ip: '10.1.0.5/24', gateway: '10.1.0.1' }, ip6: null }
    expect(parseResult(shout(old)).ips).toEqual([{ address: '10.1.0.5/24', gateway: '10.1.0.1' }])
  })
})
