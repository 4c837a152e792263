import { describe, expect, it } from 'vitest'
import { call, network } from './call.ts'

const ipam = {
  type: 'static',
  addresses: [{ address: '10.5.0.7/24', gateway: '10.5.0.1' }, { address: 'fd00:5:0::7/64' }],
  routes: [{ dst: '0.0.0.0/0', gw: '10.5.0.1' }],
  dns: { nameservers: ['192.0.2.1'], domain: 'x', search: ['y'], options: ['ndots:2'] },
}
const type = 'static'

describe('ADD', () => {
  it('gives what is configured', async () => {
    expect(await call('ADD', network(ipam), 'c1', { type })).toEqual({
      cniVersion: '1.1.0',
      ips: [{ address: '10.5.0.7/24', gateway: '10.5.0.1' }, { address: 'fd00:5::7/64' }],
      routes: ipam.routes,
      dns: ipam.dns,
    })
  })

  it('adds what CNI_ARGS asks for, with the gateway of its subnet', async () => {
    const args = 'IP=10.6.0.9/24, fd00:6::9/64;GATEWAY=fd00:6::1,10.6.0.1;K8S_POD_NAME=x'
    const { ips } = await call('ADD', network(ipam), 'c1', { type, args })
    expect(ips?.slice(2)).toEqual([
      { address: '10.6.0.9/24', gateway: '10.6.0.1' },
      { address: 'fd00:6::9/64', gateway: 'fd00:6::1' },
    ])
  })

  it('args.cni.ips replace those, and runtimeConfig.ips replace all', async () => {
    const args = { cni: { ips: ['10.7.0.9/24'] } }
    const one = await call('ADD', network(ipam, { args }), 'c1', { type, args: 'IP=10.6.0.9/24' })
    expect(one.ips).toEqual([{ address: '10.7.0.9/24' }])
    const runtimeConfig = { ips: ['10.8.0.9/24', 'fd00:8::9/64'] }
    const two = await call('ADD', network(ipam, { args, runtimeConfig }), 'c1', { type })
    expect(two.ips).toEqual([{ address: '10.8.0.9/24' }, { address: 'fd00:8::9/64' }])
  })

  it.each([
    [{ addresses: [{ address: '10.5.0.7' }] }, {}, '', '"ipam.addresses.0.address": \'10.5.0.7\' has no prefix'],
    [{ addresses: [{ address: '10.5.0.7/24', gateway: 'x' }] }, {}, '', '"ipam.addresses.0.gateway"'],
    [{ dns: { nameservers: 'x' } }, {}, '', '"ipam.dns.nameservers"'],
    [{}, {}, 'IP=10.6.0.9', "CNI_ARGS (IP): '10.6.0.9' has no prefix"],
    [{}, {}, 'IP=10.6.0.9/24;GATEWAY=x', "CNI_ARGS (GATEWAY): 'x'"],
    [{}, { args: { cni: { ips: ['10.6.0.9'] } } }, '', 'args.cni.ips'],
    [{}, { runtimeConfig: { ips: ['x'] } }, '', 'runtimeConfig.ips'],
    [
      { addresses: [{ address: '10.5.0.7/24' }, { address: '10.5.0.8/24' }] },
      { cniVersion: '0.2.0' },
      '',
      'one address of each',
    ],
  ])('refuses %j %j %s', async (wrong, more, args, message) => {
    const { code, msg } = await call('ADD', network({ type, ...wrong }, more), 'c1', { type, args })
    expect([code, msg]).toEqual([7, expect.stringContaining(message)])
  })
})

it('CHECK compares the configuration with what ADD made', async () => {
  const checked = (ips: readonly object[]) =>
    call('CHECK', network(ipam, { prevResult: { cniVersion: '1.1.0', ips } }), 'c1', { type })
  const six = { address: 'fd00:5::7/64' }
  expect(await checked([six, { address: '10.5.0.7/24', gateway: '10.5.0.1' }])).toEqual({})
  expect(await checked([six])).toMatchObject({ code: 102, msg: expect.stringContaining('address 10.5.0.7/24') })
  expect(await checked([six, { address: '10.5.0.7/24', gateway: '10.5.0.2' }])).toMatchObject({
    code: 102,
    msg: expect.stringContaining('is 10.5.0.2, not 10.5.0.1'),
  })
})

it('DEL, GC and STATUS have nothing to do', async () => {
  expect(await call('DEL', network(ipam), 'c1', { type })).toEqual({})
  expect(await call('STATUS', network(ipam), '', { type })).toEqual({})
  expect(await call('GC', { ...network(ipam), 'cni.dev/valid-attachments': [] }, '', { type })).toEqual({})
})
