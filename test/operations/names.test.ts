import { describe, expect, it } from 'vitest'
import { addressAt, contains, overlaps } from '../../src/ip-arithmetic.ts'
import { interfaceAddress, ipAddress, subnet } from '../../src/operations/ip.ts'
import { interfaceName, netnsName } from '../../src/operations/names.ts'
import { type KindName, parseOperation } from '../../src/operations/registry.ts'

describe('what is refused, and what is not', () => {
  it.each(['eth0', 'up', 'b', 'veth-red-br', '123456789012345', 'a.b_c'])('interface name %j is good', (name) => {
    expect(interfaceName.parse(name)).toBe(name)
  })
  it.each([
    '',
    '.',
    '..',
    'a/b',
    'a b',
    'a:b',
    'a%d',
    'a#b',
    "'a",
    'a\\',
    '-n',
    'all',
    'default',
    '1234567890123456',
    'ééééééééé',
  ])('interface name %j is bad', (name) => {
    expect(interfaceName.safeParse(name).error?.issues[0]?.message).toContain('for example')
  })
  it.each(['red', 'A1_b.c-d', 'x'.repeat(64)])('namespace name %j is good', (name) => {
    expect(netnsName.parse(name)).toBe(name)
  })
  it.each(['', '../x', '-n', 'host', 'internet', 'a b', 'a/b', '.a', 'x'.repeat(65)])(
    'namespace name %j is bad',
    (name) => {
      expect(netnsName.safeParse(name).success).toBe(false)
    },
  )
  it.each([
    ['10.22.0.0/16', '10.22.0.0/16'],
    ['fd00:0:0::/48', 'fd00::/48'],
    ['0.0.0.0/0', '0.0.0.0/0'],
  ])('subnet %s is %s', (text, normal) => {
    expect(subnet.parse(text)).toBe(normal)
  })
  it.each(['10.22.0.1/16', '10.22.0.0', '10.22.0.0/33', '10.22/16', '010.0.0.0/8', 'fd00::1/64', 'x/8', ''])(
    'subnet %j is bad',
    (text) => {
      expect(subnet.safeParse(text).success).toBe(false)
    },
  )
  it.each([
    '10.22.0.2/16',
    '10.0.0.0/31',
    '10.0.0.0/32',
    '10.0.0.1/31',
    'fd00::/127',
    'fd00::1/64',
    'fd00::ffff:ffff:ffff:ffff/64',
  ])('address %s is good', (text) => {
    expect(interfaceAddress.parse(text)).toBe(text)
  })
  it.each(['10.22.0.0/16', '10.22.255.255/16', 'fd00::/64', '10.22.0.2', '10.22.0.300/16', '10.22.0.2/'])(
    'address %j is bad',
    (text) => {
      expect(interfaceAddress.safeParse(text).success).toBe(false)
    },
  )
  it.each(['10.22.0.1/16', '1.2.3', 'eth0', '1', 'fe80::1%eth0', '::ffff:10.0.0.1', '::10.0.0.1'])(
    '%j is no address of a gateway',
    (text) => {
      expect(ipAddress.safeParse(text).success).toBe(false)
    },
  )
})

describe('arithmetic', () => {
  it('counts addresses of a subnet', () => {
    expect(addressAt('10.22.0.0/16', 258)).toBe('10.22.1.2')
    expect(addressAt('fd00::/64', 1)).toBe('fd00::1')
    expect(addressAt('10.0.0.0/30', 4)).toBeUndefined()
  })
  it('knows what overlaps', () => {
    expect(overlaps('10.0.0.0/8', '10.22.0.0/16')).toBe(true)
    expect(overlaps('10.21.0.0/16', '10.22.0.0/16')).toBe(false)
    expect(overlaps('10.0.0.0/8', 'fd00::/8')).toBe(false)
    expect(contains('10.22.0.0/16', '10.22.3.4')).toBe(true)
  })
})

// nft(8) joins its arguments and parses them as one text: what stands in a rule must be one word of it, whoever wrote it.
describe('nothing that a lab says becomes another rule of nftables', () => {
  const subnets = { subnet: '10.22.0.0/16' }
  const member = { network: 'mynet', ...subnets, address: '10.22.0.2', owner: 'mynet/web-1/eth0' }
  const port = { protocol: 'tcp', hostPort: 80, address: '10.22.0.2', containerPort: 80, owner: 'mynet/web-1/eth0' }
  const source = { source: '10.22.0.0/16', address: '10.22.0.2', owner: 'mynet/web-1/eth0' }
  const spoof = { ifname: 'veth-a', mac: '02:00:00:00:00:01' }
  const words = ['a"', 'a\\', 'a\nb', '', 'é']
  it.each<[KindName, string, Record<string, unknown>, string[]]>([
    ['network-masquerade', 'network', { network: 'mynet', ...subnets }, ['a;b', 'a}']],
    ['masqueraded-address', 'network', member, ['a;b', 'a}']],
    ['masqueraded-address', 'owner', member, []],
    ['port-forward', 'owner', port, []],
    ['forward-masquerade', 'owner', source, []],
    ['mac-spoof-check', 'ifname', spoof, ['a;b', 'a}']],
  ])('%s: by its %s', (kind, name, good, more) => {
    expect(parseOperation(kind, good).params).toMatchObject(good)
    for (const word of [...words, ...more])
      expect(() => parseOperation(kind, { ...good, [name]: word })).toThrow(/ must | is not /)
  })
})
