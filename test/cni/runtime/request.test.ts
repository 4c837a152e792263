import { createHash } from 'node:crypto'
import { expect, it } from 'vitest'
import { runtimeConfigOf } from '../../../src/cni/runtime/call.ts'
import { readRequest, type RequestArguments } from '../../../src/cni/runtime/request.ts'

const read = (typed: Partial<RequestArguments>, env: Readonly<Record<string, string>> = {}) =>
  readRequest('ADD', { network: 'mynet', netns: 'red', ...typed }, env)

it('a name is below /run/netns, a path is made absolute', () => {
  expect(read({}).given.netns).toBe('/run/netns/red')
  expect(read({ netns: '/proc/1//ns/../ns/net' }).given.netns).toBe('/proc/1/ns/net')
  expect(read({ netns: './red' }).given.netns).toBe(`${process.cwd()}/red`)
})

it("the container id is cnitool's unless one is given", () => {
  const hash = createHash('sha512').update('/run/netns/red').digest('hex')
  expect(read({}).given.containerId).toBe(`cnitool-${hash.slice(0, 20)}`)
  expect(read({ cid: 'web-1' }).given.containerId).toBe('web-1')
})

it("cnitool's variables count where a flag was left out; an empty one does not", () => {
  const env = { CNI_IFNAME: 'net1', CNI_ARGS: 'IP=10.22.0.9;K8S=a=b', CAP_ARGS: '{"mac":"x"}', CNI_PATH: '/a::/b' }
  expect(read({}, env)).toMatchObject({
    path: ['/a', '/b'],
    given: {
      ifname: 'net1',
      args: [
        ['IP', '10.22.0.9'],
        ['K8S', 'a=b'],
      ],
      capabilityArgs: { mac: 'x' },
    },
    has: { args: true, capabilityArgs: true },
  })
  const flags = { ifname: 'eth1', args: 'A=b', capArgs: '{}', cniPath: '/c' }
  expect(read(flags, env)).toMatchObject({
    path: ['/c'],
    given: { ifname: 'eth1', args: [['A', 'b']], capabilityArgs: {} },
  })
  const empty = { CNI_IFNAME: '', CNI_ARGS: '', CAP_ARGS: '', CNI_PATH: '', NETCONFPATH: '' }
  expect(read({}, empty)).toMatchObject({ path: undefined, given: { ifname: 'eth0' }, has: { args: false } })
})

it.each([
  { network: '-x' },
  { netns: '' },
  { netns: '..' },
  { cid: 'a/b' },
  { ifname: 'a-name-that-is-too-long' },
  { ifname: 'a/b' },
  { args: 'IP' },
  { capArgs: '[1]' },
  { capArgs: '{' },
  { keep: ['web'] },
  { keep: ['/eth0'] },
  { confDir: '/no/such/folder' },
])('refuses %j before anything is touched', (typed) => {
  expect(() => read(typed)).toThrow(expect.objectContaining({ kind: 'usage' }))
})

it('a plugin gets the arguments of the capabilities that it declares', () => {
  const given = { mac: 'c2:11:22:33:44:55', portMappings: [{ hostPort: 1 }], ips: ['10.0.0.1/8'] }
  const plugin = { type: 'x', capabilities: { portMappings: true, mac: false, bandwidth: true } }
  expect(runtimeConfigOf(plugin, given)).toEqual({ portMappings: [{ hostPort: 1 }] })
  expect(runtimeConfigOf({ type: 'x' }, given)).toBeUndefined()
  expect(runtimeConfigOf({ type: 'x', capabilities: { aliases: true } }, given)).toBeUndefined()
})
