import * as fc from 'fast-check'
import { json, mostly, mutated, objectOf, text } from './arbitraries.ts'

// What programs of the system print, in a sandbox in which others may have taken their place.

/** Of so many values of an output one is odd. */
const SELDOM = 400

const counted = (most: number) => fc.integer({ min: 0, max: most })
const ifname = mostly(
  fc.constantFrom('lo', 'eth0', 'cni0', 'veth-a', 'veth-b', 'x}', '__proto__', 'a"b', 'a\u001b[2J'),
  text,
  20,
)
const address = fc.constantFrom('10.22.0.1', '10.22.0.2', 'fd00::1', 'fe80::1', '127.0.0.1', '203.0.113.1')
const prefix = fc.constantFrom('default', '10.22.0.0/16', 'fd00::/64', 'fe80::/64', '224.0.0.0/4')
const mac = fc.constantFrom('02:00:00:00:00:01', '00:00:00:00:00:00')
const flags = fc.subarray(['UP', 'LOWER_UP', 'PROMISC', 'BROADCAST', 'PVID'])
const someOf = (keys: Readonly<Record<string, fc.Arbitrary<unknown>>>, required: readonly string[] = []) =>
  objectOf(keys, required, SELDOM)
const listOf = (item: fc.Arbitrary<unknown>, maxLength = 6) => mostly(fc.array(item, { maxLength }), json, SELDOM)

const link = someOf(
  {
    ifindex: counted(9),
    ifname,
    flags,
    mtu: counted(1500),
    address: mac,
    master: ifname,
    ifalias: text,
    link: ifname,
    link_index: counted(9),
    link_netnsid: counted(3),
    inet6_addr_gen_mode: fc.constantFrom('none', 'eui64'),
    linkinfo: someOf({
      info_kind: fc.constantFrom('bridge', 'veth', 'vlan', 'dummy'),
      info_slave_kind: fc.constant('bridge'),
      info_data: someOf({ vlan_filtering: counted(1), id: counted(4095) }),
      info_slave_data: someOf({ hairpin: fc.boolean(), isolated: fc.boolean() }),
    }),
    addr_info: listOf(
      someOf({
        family: fc.constantFrom('inet', 'inet6'),
        local: address,
        prefixlen: counted(128),
        scope: fc.constantFrom('global', 'link', 'host'),
      }),
      3,
    ),
  },
  ['ifindex', 'ifname', 'flags', 'mtu'],
)
const route = someOf(
  {
    type: fc.constantFrom('unicast', 'local', 'broadcast'),
    dst: prefix,
    gateway: address,
    dev: ifname,
    table: fc.constantFrom('local', '100'),
    protocol: fc.constantFrom('kernel', 'static'),
    metric: counted(1024),
    pref: fc.constant('medium'),
  },
  ['dst'],
)
const netconf = someOf(
  {
    family: fc.constantFrom('inet', 'inet6', 'mpls'),
    interface: fc.oneof(fc.constantFrom('all', 'default'), ifname),
    forwarding: fc.boolean(),
  },
  ['family'],
)
const vlan = someOf({ vlan: counted(4095), vlanEnd: counted(4095), flags }, ['vlan'])

const family = fc.constantFrom('ip', 'ip6', 'inet', 'bridge')
/** The tables that are asked for, and another. */
const table = fc.constantFrom('cnilab_10_22_0_0_16', 'cnilab_ports', 'mynet', 'nat')
const word: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  word: fc.oneof(
    { depthSize: 'small' },
    address,
    counted(65_535),
    fc.record({ prefix: fc.record({ addr: address, len: counted(128) }) }),
    fc.record({ concat: fc.array(tie('word'), { maxLength: 3 }) }),
    fc.record({ elem: fc.record({ val: tie('word'), comment: text }) }),
  ),
})).word
const chain = fc.constantFrom('postrouting', 'prerouting', 'ports', 'output')
const expression = fc.oneof(
  fc.constantFrom({ masquerade: null }, { drop: null }, { counter: { packets: 1, bytes: 2 } }),
  fc.record({
    match: someOf(
      {
        op: fc.constantFrom('==', '!='),
        left: fc.oneof(
          fc.record({ payload: fc.record({ protocol: family, field: fc.constantFrom('saddr', 'daddr') }) }),
          fc.record({ meta: fc.record({ key: fc.constant('oifname') }) }),
        ),
        right: fc.oneof(word, ifname),
      },
      ['op', 'left', 'right'],
    ),
  }),
  fc.record({ jump: fc.record({ target: chain }) }),
  fc.record({
    xt: fc.record({ type: fc.constantFrom('match', 'target'), name: fc.constantFrom('MASQUERADE', 'comment') }),
  }),
)
const inTable = { family, table, handle: counted(99) }
const elements = listOf(fc.oneof(word, fc.tuple(word, word)), 4)
const nftObject = fc.oneof(
  fc.record({ table: someOf({ family, name: table, handle: counted(99) }, ['family', 'name']) }),
  fc.record({
    chain: someOf({ ...inTable, name: chain, hook: chain, prio: counted(300), policy: text }, [
      'family',
      'table',
      'name',
    ]),
  }),
  fc.record({
    rule: someOf({ ...inTable, chain, comment: text, expr: listOf(expression, 4) }, ['family', 'table', 'chain']),
  }),
  fc.record({ set: someOf({ ...inTable, name: text, elem: elements }, ['family', 'table', 'name']) }),
  fc.record({ map: someOf({ ...inTable, name: text, elem: elements }, ['family', 'table', 'name']) }),
  fc.record({ metainfo: json }),
)

/** Lists or objects that lie in each other, more of them than any call stack bears. */
const deep = fc
  .record({
    left: fc.constantFrom('[', '{"a":', '[{"rule":', '{"nftables":[{"set":'),
    times: fc.constantFrom(101, 30_000),
  })
  .map(({ left, times }) => left.repeat(times))
const closed = deep.map(
  (left) =>
    left +
    '1' +
    left
      .split('')
      .toReversed()
      .map((one) => ({ '[': ']', '{': '}' })[one] ?? '')
      .join(''),
)
/** What takes long to read, if one reads it again from each of its places. */
const long = fc
  .record({
    unit: fc.constantFrom('"', '\\"', '"\\', '[', '\u0001"', ' ', '\n', '{"a":"'),
    times: fc.constantFrom(1000, 300_000),
  })
  .map(({ unit, times }) => `["${unit.repeat(times)}`)
const bytes = fc.uint8Array({ maxLength: 200 }).map((all) => Buffer.from(all).toString('utf8'))
const huge = fc
  .record({ item: fc.oneof(link, route), times: fc.constantFrom(2, 3000) })
  .map(({ item, times }) => JSON.stringify(Array.from({ length: times }, () => item)))

/** A program that prints none of what it is to print. */
const garbage = fc.oneof(deep, closed, long, bytes, huge, text, fc.constantFrom('', '[]', '{}', 'null', '[{}]'))

/** JSON that a program prints: mostly as it is to be, some of it changed; seldom something else. */
function printed(value: fc.Arbitrary<unknown>): fc.Arbitrary<string> {
  const right = value.map((one) => JSON.stringify(one))
  return mostly(right, fc.oneof(mutated(right), mutated(right), garbage), 30)
}

/** As `ip -j -d address show` prints it. */
export const ipAddress = printed(listOf(link))
/** As `ip -j route show table all` prints it. */
export const ipRoute = printed(listOf(route))
/** As `ip -j netconf show` prints it. */
export const ipNetconf = printed(listOf(netconf))
/** As `ip -j neighbour show` prints it. */
export const ipNeighbour = printed(
  listOf(someOf({ dst: address, dev: ifname, lladdr: mac, state: fc.constant(['REACHABLE']) })),
)
/** As `ip -j netns list-id` prints it. */
export const netnsIds = printed(listOf(someOf({ nsid: counted(5), name: fc.constantFrom('red', 'blue') }, ['nsid'])))
/** As `bridge -j -compressvlans vlan show` prints it. */
export const bridgeVlan = printed(listOf(someOf({ ifname, vlans: listOf(vlan) }, ['ifname', 'vlans'])))
/** As `nft -j list ruleset` prints it. */
export const nftRuleset = printed(someOf({ nftables: listOf(nftObject, 12) }, ['nftables']))
/** As `nft list ruleset` prints it. */
export const nftText = mutated(
  fc
    .array(
      fc.constantFrom(
        'table ip nat {',
        'chain postrouting {',
        '}',
        'elements = { 10.0.0.1 : 80, "a, }" }',
        'elements = {',
        'counter packets 1 bytes 2 masquerade',
        '# Warning',
        'packets 1 bytes '.repeat(1000),
      ),
    )
    .map((lines) => lines.join('\n')),
)
/** As sysctl(8) prints it. */
export const sysctls = mutated(
  fc
    .array(
      fc.tuple(
        fc.constantFrom('net.ipv4.ip_forward', 'net.ipv6.conf.all.forwarding', '__proto__', ' = '),
        mostly(fc.constantFrom('0', '1'), text, 5),
      ),
      { maxLength: 4 },
    )
    .map((pairs) => pairs.map((pair) => pair.join(' = ')).join('\n')),
)

/** What any program prints, as bytes may be. */
export const anything = fc.oneof(garbage, ipAddress, nftRuleset, sysctls)
