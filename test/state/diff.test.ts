import { expect, it } from 'vitest'
import { describe as lines, diff, summarize } from '../../src/state/diff.ts'
import { parseRouted } from '../../src/state/parse.ts'
import { parseRuleset } from '../../src/state/parse-ruleset.ts'
import { type Address, HOST, type Link, type Namespace, type Route, type State } from '../../src/state/state.ts'
import { withSandbox } from '../helpers.ts'

it('names a rule by its place, whatever else nft says of it', () => {
  const rules = parseRuleset(
    JSON.stringify({
      nftables: [
        { metainfo: {} },
        { rule: { family: 'ip', table: 'nat', chain: 'x', expr: [] } },
        { rule: 1 },
        { set: {} },
        {},
      ],
    }),
  )
  const state = new Map([[HOST, { ...parseRouted([]), inode: 0, since: 0, rules, sysctls: {} }]])
  expect(summarize(state)).toEqual([
    'host: namespace',
    'host: nft ',
    'host: nft rule',
    'host: nft rule ip nat x',
    'host: nft set',
  ])
})

it('takes no name for a rule', () =>
  withSandbox(async (kernel) => {
    const script = `ip netns add 'a: nft {'; ip -n 'a: nft {' link add name 'x}' type bridge
ip -n 'a: nft {' address add 10.9.0.1/24 dev 'x}'; ip -n 'a: nft {' link set dev 'x}' up`
    expect((await kernel.probe(['sh', '-ec', script])).stderr).toBe('')
    expect(summarize(await kernel.read())).toContain('a: nft {: route 10.9.0.0/24 dev x} proto kernel scope link')
  }))

const address: Address = { family: 'inet', address: '10.1.0.1', prefix: 16, scope: 'global', prefixRoute: true }
const link: Link = {
  index: 2,
  name: 'a',
  kind: 'veth',
  up: false,
  mac: '02:00:00:00:00:01',
  mtu: 1500,
  master: undefined,
  alias: undefined,
  peer: undefined,
  peerIndex: 2,
  peerNetnsId: 0,
  port: { hairpin: false, isolated: false },
  vlanFiltering: false,
  vlanId: undefined,
  macvlanMode: undefined,
  ipvlanMode: undefined,
  promiscuous: false,
  allMulticast: false,
  queueLength: 1000,
  vlans: [],
  addresses: [address],
}
const route: Route = {
  family: 'inet',
  dst: 'default',
  via: undefined,
  dev: 'a',
  table: 'main',
  metric: 0,
  mtu: undefined,
  advmss: undefined,
  scope: 'global',
  protocol: 'boot',
}
const bare: Namespace = {
  inode: 1,
  since: 1,
  links: [],
  routes: [],
  policyRoutes: [],
  forwarding: { inet: {}, inet6: {} },
  rules: [],
  sysctls: {},
}
const namespace: Namespace = {
  ...bare,
  links: [link, { ...link, name: 'br0', index: 4, kind: 'bridge', peerIndex: undefined }],
  routes: [route],
  netnsIds: new Map([
    [0, 'red'],
    [1, 'blue'],
  ]),
}
/** Where the cable may lead: to two interfaces of red, and to one of blue that has the index of the first. */
const far = (name: string, index: number): Link => ({ ...link, name, index, peerIndex: 2 })
const others: State = new Map([
  ['red', { ...bare, links: [far('eth0', 2), far('eth1', 3)] }],
  ['blue', { ...bare, links: [far('eth0', 2)] }],
])

/** What else each member may be. Of what changes by itself, or follows from another one, nothing else is shown. */
const OTHER_LINK: Required<Link> = {
  index: link.index,
  mac: link.mac,
  name: 'b',
  kind: 'dummy',
  up: true,
  mtu: 1400,
  master: 'br0',
  alias: 'mine',
  peer: 'br0',
  peerIndex: 3,
  peerNetnsId: 1,
  port: { hairpin: true, isolated: false },
  vlanFiltering: true,
  vlanId: 10,
  macvlanMode: 'bridge',
  ipvlanMode: 'l2',
  promiscuous: true,
  allMulticast: true,
  queueLength: 5,
  vlans: [{ first: 10, last: 20, isUntagged: false }],
  addresses: [],
}
const OTHER_ADDRESS: Required<Address> = {
  family: address.family,
  address: '10.1.0.2',
  prefix: 24,
  scope: 'link',
  prefixRoute: false,
}
const OTHER_ROUTE: Required<Route> = {
  family: 'inet6',
  dst: '10.2.0.0/16',
  via: '10.1.0.9',
  dev: 'b',
  table: '100',
  metric: 5,
  mtu: 1400,
  advmss: 1360,
  scope: 'link',
  protocol: 'static',
}
const OTHER_NAMESPACE: Required<Namespace> = {
  inode: namespace.inode,
  since: namespace.since,
  links: [],
  routes: [],
  policyRoutes: [{ ...route, table: '7' }],
  forwarding: { inet: { a: true }, inet6: {} },
  rules: [{ rule: { family: 'ip', table: 'nat', chain: 'x' } }],
  sysctls: { 'net.ipv4.ip_forward': '1' },
  netnsIds: new Map([
    [0, 'blue'],
    [1, 'red'],
  ]),
  strays: ['file'],
  folders: ['folder'],
}
/** A change of each member, one by one; `put` says what it is a change of. */
function changes<T extends object>(one: T, other: Required<T>, put: (one: T) => Partial<Namespace>) {
  const was = new Map<string, unknown>(Object.entries(one))
  return Object.entries(other).map(([member, value]) => ({
    member,
    isSame: value === was.get(member),
    before: put(one),
    after: put({ ...one, [member]: value }),
  }))
}

it('shows a change of every member, but of what changes by itself', () => {
  const withLink = (one: Link) => ({ links: [one, ...namespace.links.slice(1)] })
  const [port, vlan] = [
    { hairpin: false, isolated: false },
    { first: 1, last: 3, isUntagged: false },
  ]
  const all = {
    link: changes(link, OTHER_LINK, withLink),
    port: changes(port, { hairpin: true, isolated: true }, (one) => withLink({ ...link, port: one })),
    vlan: changes(vlan, { first: 2, last: 4, isUntagged: true }, (one) => withLink({ ...link, vlans: [one] })),
    address: changes(address, OTHER_ADDRESS, (one) => withLink({ ...link, addresses: [one] })),
    route: changes(route, OTHER_ROUTE, (one) => ({ routes: [one] })),
    namespace: changes(namespace, OTHER_NAMESPACE, (one) => one),
  }
  const shown = (part: Partial<Namespace>) => lines(new Map([...others, [HOST, { ...namespace, ...part }]]))
  const wrong = Object.entries(all).flatMap(([what, some]) =>
    some.flatMap(({ member, isSame, before, after }) => {
      const { gone, added } = diff(shown(before), shown(after))
      return (gone.length + added.length === 0) === isSame ? [] : [`${what}.${member}`]
    }),
  )
  expect(wrong).toEqual([])
})
