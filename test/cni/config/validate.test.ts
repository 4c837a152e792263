import { existsSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { validate } from '../../../src/cni/config/validate.ts'
import { cli } from '../../helpers.ts'
import { folderWith, programsIn, seed, speaking } from './folder.ts'

const all = ['0.2.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0']
const types = ['bridge', 'ptp', 'host-local', 'static', 'portmap', 'vlan', 'bandwidth', 'host-device', 'ipvlan']
const bins = programsIn(Object.fromEntries(types.map((type) => [type, speaking(...all)])))

/** `severity key: what`, for each mistake in a folder of these files. */
async function mistakes(files: Readonly<Record<string, unknown>>, folders: readonly string[] = [bins]) {
  const found = await validate(folderWith(files), folders)
  return found.mistakes.map(({ severity, key, what }) => `${severity} ${key}: ${what}`)
}

const good = { ...seed, cniVersion: '1.0.0' }
const single = (changes: object) => mistakes({ 'a.conf': { ...good, ...changes } })
const ipam = (changes: object) => single({ ipam: { ...good.ipam, ...changes } })

it('says of the seed file only that its version is old', async () => {
  expect(await mistakes({ '10-bridge.conf': seed })).toEqual(['warning cniVersion: CNI 0.2.0 is old'])
  expect(await single({})).toEqual([])
})

it('finds the place of broken JSON', async () => {
  const folder = folderWith({ 'a.conf': '{\n  "name": "x",\n  "type" "bridge"\n}' })
  const { code, stdout } = await cli(['cni', 'validate', folder])
  expect(stdout).toContain(`${join(folder, 'a.conf')}:3:10: error: not JSON: a comma or colon is missing before this`)
  expect(code).toBe(1)
})

it('suggests the key that was meant', async () => {
  const text =
    '{\n  "cniVersion": "1.0.0", "name": "x", "type": "ptp",\n  "ipMask": true, "ipam": {"type": "static"}\n}'
  const { mistakes: found } = await validate(folderWith({ 'a.conf': text }), [bins])
  expect(found).toContainEqual(
    expect.objectContaining({ line: 3, column: 3, key: 'ipMask', severity: 'warning', fix: 'did you mean "ipMasq"?' }),
  )
})

it.each([
  [{ name: undefined }, 'error : there is no "name"'],
  [{ name: 'a/b' }, "error name: 'a/b' is not a network name"],
  [{ cniVersion: undefined }, 'warning : there is no "cniVersion", which means 0.1.0'],
  [{ cniVersion: '1.2.0' }, 'error cniVersion: CNI 1.2.0 is not a known version'],
  [{ type: undefined }, 'error : there is no "type"'],
  [{ type: 'bridgee' }, 'error type: there is no plugin "bridgee" in'],
  [{ type: 'portmap' }, 'error type: portmap cannot be the first plugin'],
  [{ ipMasq: 'true' }, 'error ipMasq: "ipMasq" must be true or false, not "true"'],
  [{ vlan: 4095 }, 'error vlan: "vlan" must be a whole number from 0 to 4094, not 4095'],
  [{ bridge: 'a-name-that-is-long' }, 'error bridge: "bridge": '],
  [{ isgateway: true }, 'warning isgateway: "isgateway" should be written "isGateway"'],
  [{ hairpinMode: true, promiscMode: true }, 'error promiscMode: hairpinMode and promiscMode exclude each other'],
  [{ isGateway: false }, 'warning ipMasq: "ipMasq" without "isGateway"'],
  [{ ipam: {} }, 'warning isGateway: "isGateway" does nothing without "ipam"'],
  [{ ipMasqBackend: 'nft' }, 'error ipMasqBackend: "ipMasqBackend" must be one of iptables, nftables'],
  [{ vlanTrunk: [{ minID: 9, maxID: 3 }] }, 'error vlanTrunk[0]: "minID" 9 is above "maxID" 3'],
  [{ vlanTrunk: [{ minID: 9 }] }, 'error vlanTrunk[0]: "minID" and "maxID" belong together'],
  [{ capabilities: { portMapings: true } }, 'warning capabilities.portMapings: no runtime is known'],
  [{ prevResult: {} }, 'warning prevResult: "prevResult" does not belong in a file'],
  [{ dns: { nameservers: ['one'] } }, 'error dns.nameservers[0]: "nameservers": \'one\' is not an IP address'],
  [{ type: 'vlan' }, 'error : vlan needs the key "master"'],
  [{ type: 'ptp', ipam: undefined }, 'error : ptp needs "ipam"'],
  [{ type: 'host-device' }, 'error : host-device needs one of'],
  [{ type: 'ipvlan', mode: 'L2' }, 'error mode: "mode" must be one of l2, l3, l3s'],
  [{ type: 'host-local' }, 'error type: host-local hands out addresses and creates no interface'],
  [{ plugins: [] }, 'error plugins: "plugins" and "type" exclude each other'],
])('finds %j', async (changes, expected) => {
  expect(await single(changes)).toContainEqual(expect.stringContaining(expected))
})

it.each([
  [{ subnet: '10.22.0.1/16' }, 'error ipam.subnet: "subnet": \'10.22.0.1/16\' has host bits set'],
  [{ subnet: '10.22.0.0/31' }, 'error ipam.subnet: 10.22.0.0/31 is too small'],
  [{ subnet: undefined }, 'error ipam: host-local needs a "subnet"'],
  [{ rangeStart: '10.23.0.1' }, 'error ipam.rangeStart: "rangeStart" 10.23.0.1 is not in the subnet'],
  [{ rangeStart: '10.22.0.9', rangeEnd: '10.22.0.5' }, 'error ipam.rangeEnd: "rangeEnd" 10.22.0.5 is below'],
  [{ gateway: '10.23.0.1' }, 'warning ipam.gateway: "gateway" 10.23.0.1 is not in the subnet'],
  [
    { ranges: [[{ subnet: '10.22.9.0/24' }]] },
    'error ipam.ranges[0][0].subnet: 10.22.9.0/24 overlaps with 10.22.0.0/16',
  ],
  [{ routes: [{ gw: '10.22.0.1' }] }, 'error ipam.routes[0]: "routes" needs the key "dst"'],
  [{ type: 'host-lokal' }, 'error ipam.type: there is no plugin "host-lokal"'],
  [{ type: '' }, 'error ipam: "ipam" has no "type"'],
  [{ type: 'static' }, 'error ipam: static needs "addresses"'],
])('finds in ipam %j', async (changes, expected) => {
  expect(await ipam(changes)).toContainEqual(expect.stringContaining(expected))
})

it('finds a list in the wrong form, and its plugins in the wrong place', async () => {
  const list = {
    cniVersion: '1.0.0',
    name: 'x',
    plugins: [good, { type: 'portmap' }, { type: 'bandwidth', ingressRate: 9 }],
  }
  expect(await mistakes({ 'a.conf': list })).toContain(
    'error plugins: a list of plugins is in a file whose name ends in .conf',
  )
  expect(await mistakes({ 'a.conflist': good })).toContain('error type: a list of plugins has no "type"')
  const found = await mistakes({ 'a.conflist': list })
  expect(found.toSorted()).toEqual([
    'error plugins[2].ingressRate: "ingressRate" needs "ingressBurst"',
    'warning plugins[0].cniVersion: "cniVersion" of a plugin in a list is ignored',
    'warning plugins[0].name: "name" of a plugin in a list is ignored',
    'warning plugins[1]: portmap does nothing without the capability portMappings',
  ])
})

it('finds its way through values of any kind, and through names that every object has', async () => {
  const plugins = [null, 7, { type: ['x'] }, { ...good, ipam: [] }, { type: 'bridge', ipam: { type: 'constructor' } }]
  const found = await mistakes({ 'a.conflist': { name: 5, cniVersion: 1, plugins, constructor: 3 } })
  expect(found).toContain('error name: "name" must be a string')
  expect(found).toContain('error cniVersion: "cniVersion" must be a string')
  expect(found).toContain('error plugins[1]: this plugin has no "type"')
  expect(found).toContain('error plugins[3].ipam: "ipam" must be an object { }')
  expect(found).toContain('warning constructor: a list of plugins has no key "constructor"')
  expect(found).toContainEqual(expect.stringContaining('plugins[4].ipam.type: there is no plugin "constructor"'))
  expect(new Set(found).size).toBe(found.length)
})

it('asks the installed plugins for the version', async () => {
  const old = programsIn({ bridge: speaking('0.2.0', '0.4.0'), 'host-local': speaking(...all) })
  expect(await mistakes({ 'a.conf': good }, [old])).toEqual([`error type: ${old}/bridge does not support CNI 1.0.0`])
  expect(await mistakes({ 'a.conf': good }, ['/no/such'])).toEqual([
    'warning type: did not check whether the plugins are installed',
  ])
})

it('finds what two networks both want', async () => {
  const other = (name: string, bridge: string, changes: object) => ({
    ...good,
    name,
    bridge,
    ipam: { ...good.ipam, ...changes },
  })
  const with1 = (second: unknown) => mistakes({ '10.conf': good, '20.conf': second })
  expect(await with1(other('two', 'cni1', { subnet: '10.22.9.0/24' }))).toEqual([
    'error ipam.subnet: 10.22.9.0/24 overlaps with 10.22.0.0/16 of 10.conf (mynet)',
  ])
  expect(await with1(other('mynet', 'cni1', { subnet: '10.23.0.0/16' }))).toEqual([
    'error name: 10.conf has the same name, "mynet"',
  ])
  expect(await with1(other('two', 'cni0', { subnet: '10.23.0.0/16' }))).toEqual([
    'warning ipam.subnet: bridge cni0 has 10.22.0.0/16 in 10.conf (mynet)',
  ])
  const lower = other('low', 'cni0', { rangeEnd: '10.22.0.99' })
  const upper = (bridge: string) => other('up', bridge, { rangeStart: '10.22.0.100' })
  expect(await mistakes({ '1.conf': lower, '2.conf': upper('cni0') })).toEqual([])
  expect(await mistakes({ '1.conf': upper('cni0'), '2.conf': lower })).toEqual([])
  expect(await mistakes({ '1.conf': lower, '2.conf': upper('cni1') })).toEqual([
    'error ipam.subnet: 10.22.0.0/16 overlaps with 10.22.0.0/16 of 1.conf (low), on another bridge',
  ])
  expect(await with1(other('two', 'cni1', { subnet: 'fd00::/64' }))).toEqual([])
})

it('tells a conflict among many files once for each, of the first', async () => {
  const files = Object.fromEntries([1, 2, 3, 4].map((n) => [`${n}.conf`, good]))
  expect(await mistakes(files)).toEqual(
    [2, 3, 4].flatMap(() => [
      'error name: 1.conf has the same name, "mynet"',
      'error ipam.subnet: 10.22.0.0/16 overlaps with 10.22.0.0/16 of 1.conf (mynet)',
    ]),
  )
})

it('knows what vendors ship, and what only looks right', async () => {
  expect(await single({ cniVersion: '0.3.1' })).toEqual([])
  const mixed = [[{ subnet: '10.22.0.0/16' }, { subnet: 'fd00::/64' }]]
  expect(await ipam({ subnet: undefined, ranges: mixed })).toEqual([
    'error ipam.ranges[0][1].subnet: fd00::/64 and 10.22.0.0/16 are in one range set',
  ])
  const lo = { cniVersion: '1.0.0', name: 'lo', type: 'loopback' }
  const withLo = [programsIn({ loopback: speaking(...all) }), bins]
  expect(await mistakes({ '00-lo.conf': lo, '10.conf': good }, withLo)).toEqual([
    'warning type: the first file is only loopback',
  ])
  expect(await mistakes({ '10.conf': good, '99-lo.conf': lo }, withLo)).toEqual([])
  const folder = folderWith({ '20.conf': good })
  symlinkSync('/no/such', join(folder, '10.conf'))
  expect((await validate(folder, [bins])).mistakes.map(({ what }) => what)).toEqual([
    'it is a link that leads nowhere: to /no/such',
  ])
})

it('prints one document with --json; exits with 0 for warnings, 2 where there is nothing', async () => {
  const folder = folderWith({ '10-bridge.conf': seed })
  const { code, stdout } = await cli(['cni', 'validate', join(folder, '10-bridge.conf'), '--bin-dir', bins, '--json'])
  expect(JSON.parse(stdout)).toMatchObject({
    schema: 'cnilab/cni-validate/v1',
    ok: true,
    mistakes: [{ severity: 'warning', key: 'cniVersion', line: 1, column: 15 }],
  })
  expect(code).toBe(0)
  const none = await cli(['cni', 'validate', join(folder, 'none')])
  expect(none.stderr).toContain('there is no file or folder')
  expect(none.code).toBe(2)
  expect((await cli(['cni', 'validate'])).code).toBe(2)
})

it.skipIf(!existsSync('/usr/lib/cni/bridge'))(
  'finds the seed file right with the reference plugins (containernetworking-plugins)',
  async () => {
    const folder = folderWith({ '10-bridge.conf': seed })
    const { stdout } = await cli(['cni', 'validate', folder, '--bin-dir', '/usr/lib/cni'])
    expect(stdout).toContain('1 configuration: 0 errors, 1 warning')
  },
)
