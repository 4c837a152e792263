import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { call, dataDir, first, network, takenIn } from './call.ts'

describe('ADD', () => {
  it('gives an address and its gateway, and writes the store as the reference does', async () => {
    const config = network({ subnet: '10.1.0.0/29' })
    const answer = await call('ADD', config, 'c1')
    expect(answer).toEqual({ cniVersion: '1.1.0', ips: [{ address: '10.1.0.2/29', gateway: '10.1.0.1' }], dns: {} })
    const folder = join(dataDir, config.name)
    expect(readFileSync(join(folder, '10.1.0.2'), 'utf8')).toBe('c1\r\neth0')
    expect(readFileSync(join(folder, 'last_reserved_ip.0'), 'utf8')).toBe('10.1.0.2')
    expect(readdirSync(folder).toSorted()).toEqual(['.by-attachment', '10.1.0.2', 'last_reserved_ip.0', 'lock'])
    expect(readFileSync(join(folder, '.by-attachment'), 'utf8')).toMatch(/^[0-9a-f]{32} 10.1.0.2\n$/)
  })

  it('gives one address of each range set, IPv4 and IPv6, with routes and name servers', async () => {
    const resolvConf = join(dataDir, 'resolv.conf')
    writeFileSync(
      resolvConf,
      '# a\nnameserver 192.0.2.1\nnameserver 2001:db8::1\nsearch a.example b.example\ndomain x\noptions ndots:2\n;b\n',
    )
    const config = network({
      subnet: '10.1.0.0/24',
      rangeStart: '10.1.0.10',
      rangeEnd: '10.1.0.11',
      gateway: '10.1.0.254',
      ranges: [[{ subnet: 'fd00::/64' }], [{ subnet: '10.2.0.0/24', rangeStart: '10.2.0.9' }]],
      routes: [{ dst: '0.0.0.0/0' }, { dst: '10.9.0.0/16', gw: '10.1.0.3', mtu: 1400 }],
      resolvConf,
      unknown: true,
    })
    expect(await call('ADD', config, 'c1')).toEqual({
      cniVersion: '1.1.0',
      ips: [
        { address: '10.1.0.10/24', gateway: '10.1.0.254' },
        { address: 'fd00::2/64', gateway: 'fd00::1' },
        { address: '10.2.0.9/24', gateway: '10.2.0.1' },
      ],
      routes: [{ dst: '0.0.0.0/0' }, { dst: '10.9.0.0/16', gw: '10.1.0.3', mtu: 1400 }],
      dns: {
        nameservers: ['192.0.2.1', '2001:db8::1'],
        search: ['a.example', 'b.example'],
        domain: 'x',
        options: ['ndots:2'],
      },
    })
  })

  it('goes round: the address that was given back is not the next one', async () => {
    const pool = [{ subnet: '10.1.0.0/29', rangeStart: '10.1.0.5' }, { subnet: '10.2.0.0/30' }]
    const config = network({ ranges: [pool] })
    const given: (string | undefined)[] = []
    for (let i = 0; i < 5; i++) {
      given.push(first(await call('ADD', config, `c${i}`)))
      await call('DEL', config, `c${i}`)
    }
    expect(given).toEqual(['10.1.0.5/29', '10.1.0.6/29', '10.2.0.2/30', '10.1.0.5/29', '10.1.0.6/29'])
    expect(takenIn(config)).toEqual([])
  })

  it('finds the only free address behind many taken ones', async () => {
    const config = network({ subnet: '10.1.0.0/24' })
    const folder = join(dataDir, config.name)
    mkdirSync(folder)
    for (let i = 2; i < 255; i++) if (i !== 200) writeFileSync(join(folder, `10.1.0.${i}`), `x${i}\r\neth0`)
    expect(first(await call('ADD', config, 'c1'))).toBe('10.1.0.200/24')
    const full = await call('ADD', config, 'c2')
    expect(full.code).toBe(103)
    expect(full.msg).toContain('no address is free in 10.1.0.1-10.1.0.254: 253 of 253 are taken')
    expect(full.details).toContain(folder)
    expect(full.details).toContain('GC')
  })

  it('refuses a second ADD without a DEL, and leaves the first as it was', async () => {
    const config = network({ subnet: '10.1.0.0/29', ranges: [[{ subnet: 'fd00::/120' }]] })
    await call('ADD', config, 'c1')
    const again = await call('ADD', config, 'c1', { args: 'IP=10.1.0.5' })
    expect([again.code, again.msg]).toEqual([
      101,
      expect.stringContaining('10.1.0.2 has already been allocated to container c1 (eth0)'),
    ])
    expect(takenIn(config)).toEqual(['10.1.0.2', 'fd00::2'])
    expect(first(await call('ADD', config, 'c1', { ifname: 'eth1' }))).toBe('10.1.0.3/29')
  })

  it('gives back what it reserved when a later range set is exhausted', async () => {
    const config = network({ ranges: [[{ subnet: '10.1.0.0/29' }], [{ subnet: '10.2.0.0/30' }]] })
    await call('ADD', config, 'c1')
    expect((await call('ADD', config, 'c2')).code).toBe(103)
    expect(takenIn(config).toSorted()).toEqual(['10.1.0.2', '10.2.0.2'])
    await call('DEL', config, 'c1')
    expect((await call('ADD', config, 'c2')).code).toBeUndefined()
  })

  it('serves the ranges that the runtime brings before those of the configuration', async () => {
    const runtimeConfig = { ipRanges: [[{ subnet: '10.3.0.0/24' }]] }
    const both = network({ subnet: '10.1.0.0/24' }, { runtimeConfig })
    expect((await call('ADD', both, 'c1')).ips?.map(({ address }) => address)).toEqual(['10.3.0.2/24', '10.1.0.2/24'])
    expect(first(await call('ADD', network({}, { runtimeConfig }), 'c1'))).toBe('10.3.0.2/24')
  })

  it('reads what the runtime brings with the capitals that containerd writes', async () => {
    const runtimeConfig = { ipRanges: [[{ Subnet: '10.3.0.0/24', RangeStart: '10.3.0.5', Gateway: '' }]] }
    expect(first(await call('ADD', network({}, { runtimeConfig }), 'c1'))).toBe('10.3.0.5/24')
  })
})

describe('requested addresses', () => {
  const ipam = { ranges: [[{ subnet: '10.1.0.0/24' }], [{ subnet: 'fd00::/64' }]] }
  it.each([
    ['CNI_ARGS', {}, 'IP=10.1.0.9,fd00::9;IgnoreUnknown=1;K8S_POD_NAME=x'],
    ['args.cni.ips', { args: { cni: { ips: ['10.1.0.9/24', 'fd00:0::9'] } } }, ''],
    ['runtimeConfig.ips', { runtimeConfig: { ips: ['10.1.0.9', 'fd00::9/64'] } }, 'IP=10.1.0.9'],
  ])('come by %s', async (_, more, args) => {
    const answer = await call('ADD', network(ipam, more), 'c1', { args })
    expect(answer.ips?.map(({ address }) => address)).toEqual(['10.1.0.9/24', 'fd00::9/64'])
  })

  it('are refused with the reason, and nothing is reserved', async () => {
    const config = network(ipam)
    await call('ADD', config, 'c1', { args: 'IP=10.1.0.9' })
    const refused = async (ip: string) => {
      const { code, msg, details } = await call('ADD', config, 'c2', { args: `IP=${ip}` })
      return [code, `${msg}; ${details}`]
    }
    const taken = await refused('10.1.0.9')
    expect(taken).toEqual([103, expect.stringContaining('is taken by container c1 (eth0)')])
    expect(taken[1]).toContain(join(dataDir, config.name, '10.1.0.9'))
    expect(await refused('fd00::9,10.1.0.9')).toEqual([103, expect.anything()])
    expect(await refused('10.7.0.1')).toEqual([
      7,
      expect.stringMatching(/10\.7\.0\.1 is in none.*10\.1\.0\.1-10\.1\.0\.254/),
    ])
    expect(await refused('10.1.0.7,10.1.0.8')).toEqual([7, expect.stringContaining('10.1.0.8 is the second one')])
    expect(await refused('10.1.0.1')).toEqual([7, expect.stringContaining('gateway of 10.1.0.0/24')])
    expect(await refused('10.1.0')).toEqual([7, expect.stringContaining("'10.1.0' is not an IP address")])
    expect(takenIn(config).toSorted()).toEqual(['10.1.0.9', 'fd00::2'])
  })
})

describe('a wrong configuration', () => {
  it.each([
    [{}, '"ipam" names no addresses'],
    [{ subnet: '10.1.0.1/29' }, '"ipam.subnet": \'10.1.0.1/29\' has host bits set; its subnet is 10.1.0.0/29'],
    [{ subnet: '10.1.0.0/31' }, 'at most /30'],
    [{ subnet: 'fd00::/127' }, 'at most /126'],
    [{ subnet: '10.1.0.0/29', rangeStart: '10.2.0.1' }, '"rangeStart": \'10.2.0.1\' is not in the subnet'],
    [{ subnet: '10.1.0.0/29', rangeEnd: 'fd00::1' }, '"rangeEnd": \'fd00::1\' is not in the subnet'],
    [{ subnet: '10.1.0.0/29', rangeStart: '10.1.0.5', rangeEnd: '10.1.0.3' }, 'comes after'],
    [{ subnet: '10.1.0.0/29', gateway: 'x' }, '"ipam.gateway": \'x\' is not an IP address'],
    [{ ranges: [[]] }, 'empty'],
    [{ ranges: [[{}]] }, '"ipam.ranges.0.0.subnet"'],
    [{ ranges: [[{ subnet: '10.1.0.0/29' }, { subnet: 'fd00::/64' }]] }, 'IPv4 and IPv6'],
    [{ ranges: [[{ subnet: '10.1.0.0/24' }, { subnet: '10.1.0.0/29' }]] }, 'overlap'],
    [{ subnet: '10.1.0.0/24', ranges: [[{ subnet: '10.1.0.128/25' }]] }, 'overlap'],
    [{ subnet: '10.1.0.0/24', routes: [{ dst: 'x' }] }, '"ipam.routes.0.dst"'],
  ])('%j is refused', async (ipam, message) => {
    const config = network(ipam)
    const { code, msg } = await call('ADD', config, 'c1')
    expect([code, msg]).toEqual([7, expect.stringContaining(message)])
    expect(readdirSync(dataDir)).not.toContain(config.name)
  })

  it('says which file of name servers is missing, and that old versions have room for one address a family', async () => {
    const missing = await call('ADD', network({ subnet: '10.1.0.0/24', resolvConf: '/nowhere/x' }), 'c1')
    expect([missing.code, missing.msg]).toEqual([5, expect.stringContaining('/nowhere/x')])
    const two = { ranges: [[{ subnet: '10.1.0.0/24' }], [{ subnet: '10.2.0.0/24' }]] }
    const old = await call('ADD', network(two, { cniVersion: '0.2.0' }), 'c1')
    expect([old.code, old.cniVersion, old.msg]).toEqual([
      7,
      '0.2.0',
      expect.stringContaining('one address of each family'),
    ])
  })
})

describe('DEL', () => {
  it('gives all addresses of the interface back, again and without a store, and no others', async () => {
    const config = network({ subnet: '10.1.0.0/24', ranges: [[{ subnet: 'fd00::/64' }]] })
    expect(await call('DEL', config, 'c1')).toEqual({})
    expect(readdirSync(dataDir)).not.toContain(config.name)
    await call('ADD', config, 'c1')
    await call('ADD', config, 'c1', { ifname: 'eth1' })
    expect(await call('DEL', config, 'c1')).toEqual({})
    expect(await call('DEL', config, 'c1')).toEqual({})
    expect(takenIn(config).toSorted()).toEqual(['10.1.0.3', 'fd00::3'])
  })

  it('removes an old file that holds the container id alone', async () => {
    const config = network({ subnet: '10.1.0.0/24' })
    await call('ADD', config, 'other')
    writeFileSync(join(dataDir, config.name, '10.1.0.7'), 'c1')
    writeFileSync(join(dataDir, config.name, '10.1.0.8'), 'c1\n')
    expect((await call('ADD', config, 'c1')).code).toBe(101)
    await call('DEL', config, 'c1')
    expect(takenIn(config)).toEqual(['10.1.0.2'])
  })

  it('finds files although the index was tampered with', async () => {
    const config = network({ subnet: '10.1.0.0/24' })
    const index = join(dataDir, config.name, '.by-attachment')
    await call('ADD', config, 'c1')
    writeFileSync(index, '')
    await call('DEL', config, 'c1')
    await call('ADD', config, 'c2')
    rmSync(index)
    await call('DEL', config, 'c2')
    expect(takenIn(config)).toEqual([])
  })
})

describe('CHECK', () => {
  it('succeeds after ADD, and tells what differs', async () => {
    const config = network({ subnet: '10.1.0.0/24' })
    const checked = (address: string) =>
      call(
        'CHECK',
        { ...config, prevResult: { cniVersion: '1.1.0', ips: [{ address }, { address: '192.0.2.1/24' }] } },
        'c1',
      )
    expect((await checked('10.1.0.2/24')).code).toBe(102)
    await call('ADD', config, 'c1')
    await call('ADD', config, 'c2')
    expect(await checked('10.1.0.2/24')).toEqual({})
    const foreign = await checked('10.1.0.3/24')
    expect([foreign.code, foreign.details]).toEqual([102, expect.stringContaining('container c2 (eth0) has it')])
    rmSync(join(dataDir, config.name, '10.1.0.2'))
    expect((await checked('10.1.0.2/24')).msg).toContain('no address reserved in 10.1.0.1-10.1.0.254')
  })
})

describe('GC', () => {
  it('frees what belongs to no valid attachment', async () => {
    const config = network({ subnet: '10.1.0.0/24', ranges: [[{ subnet: 'fd00::/64' }]] })
    const folder = join(dataDir, config.name)
    for (const id of ['c1', 'c2']) await call('ADD', config, id)
    await call('ADD', config, 'c1', { ifname: 'eth1' })
    writeFileSync(join(folder, '10.1.0.50'), 'c1')
    writeFileSync(join(folder, '10.1.0.51'), 'gone')
    writeFileSync(join(folder, '10.1.0.52'), '')
    const valid = [{ containerID: 'c1', ifname: 'eth0' }]
    expect(await call('GC', { ...config, 'cni.dev/valid-attachments': valid })).toEqual({})
    expect(takenIn(config).toSorted()).toEqual(['10.1.0.2', '10.1.0.50', 'fd00::2'])
    expect(await call('GC', { ...config, 'cni.dev/valid-attachments': [] })).toEqual({})
    expect(readFileSync(join(folder, '.by-attachment'), 'utf8')).toBe('')
    expect((await call('ADD', config, 'c1')).code).toBeUndefined()
  })
})

describe('STATUS', () => {
  it('is 50 when a range set has no free address, and says what to do', async () => {
    const config = network({ ranges: [[{ subnet: 'fd00::/64' }], [{ subnet: '10.1.0.0/30', gateway: '10.1.0.1' }]] })
    expect(await call('STATUS', config)).toEqual({})
    await call('ADD', config, 'c1')
    const full = await call('STATUS', config)
    expect([full.code, full.msg]).toEqual([50, expect.stringContaining('10.1.0.1-10.1.0.2: 1 of 1 are taken')])
    expect(full.msg).toContain(config.name)
    expect(full.details).toMatch(new RegExp(`${dataDir}.*GC.*range larger`))
    await call('DEL', config, 'c1')
    expect(await call('STATUS', config)).toEqual({})
  })

  it('needs no ranges where the runtime brings them', async () => {
    expect(await call('STATUS', network({}, { capabilities: { ipRanges: true } }))).toEqual({})
    expect((await call('STATUS', network({}))).code).toBe(7)
  })
})

it('an empty file, which a killed writer left, blocks no address', async () => {
  const config = network({ subnet: '10.1.0.0/30' })
  const folder = join(dataDir, config.name)
  mkdirSync(folder)
  writeFileSync(join(folder, '10.1.0.2'), '')
  writeFileSync(join(folder, '.new'), 'c0\r\neth0')
  expect(first(await call('ADD', config, 'c1'))).toBe('10.1.0.2/30')
  expect(readFileSync(join(folder, '10.1.0.2'), 'utf8')).toBe('c1\r\neth0')
  expect(readdirSync(folder)).not.toContain('.new')
})
