import * as fc from 'fast-check'
import { json, mostly, objectOf, text } from './arbitraries.ts'

const some = (item: fc.Arbitrary<unknown>) => fc.array(item, { maxLength: 3 })
const flag = fc.boolean()
const address = fc.constantFrom('10.22.0.1', '10.22.0.9', 'fd00::1', '10.23.0.1', '')
const subnet = fc.constantFrom('10.22.0.0/24', '10.23.0.0/30', 'fd00::/120', '10.22.0.0/16', '10.22.0.0/31')
const routes = some(
  objectOf({
    dst: fc.constantFrom('0.0.0.0/0', '::/0', '10.9.0.0/16'),
    gw: address,
    mtu: fc.nat(2000),
    table: fc.nat(300),
  }),
)
const range = objectOf({ subnet, rangeStart: address, rangeEnd: address, gateway: address })

const ipam = fc.oneof(
  objectOf(
    {
      type: fc.constant('host-local'),
      subnet,
      ranges: some(some(range)),
      routes,
      resolvConf: fc.constantFrom('/dev/null', '/dev/zero', '/etc/hosts', '/tmp'),
    },
    ['type'],
  ),
  objectOf({ type: fc.constant('host-local'), subnet }, ['type', 'subnet']),
  objectOf(
    {
      type: fc.constant('static'),
      addresses: some(objectOf({ address: fc.constantFrom('10.22.0.5/24', 'fd00::5/64'), gateway: address })),
      routes,
    },
    ['type', 'addresses'],
  ),
  objectOf({ type: fc.constantFrom('dhcp', 'no-such', '', '..', 'a/b') }),
)
const portMapping = objectOf({
  hostPort: fc.nat(70_000),
  containerPort: fc.nat(70_000),
  protocol: fc.constantFrom('tcp', 'udp', 'sctp', 'TCP'),
  hostIP: address,
})
const result = objectOf({
  cniVersion: fc.constantFrom('1.0.0', '0.2.0', '1.1.0'),
  interfaces: some(
    objectOf({
      name: fc.constantFrom('eth0', 'cni0'),
      mac: fc.constant('02:00:00:00:00:01'),
      sandbox: fc.constantFrom('', '/run/netns/red'),
      mtu: fc.nat(2000),
    }),
  ),
  ips: some(
    objectOf({
      address: fc.constantFrom('10.22.0.5/24', 'fd00::5/64'),
      gateway: address,
      interface: fc.nat(2),
      version: fc.constantFrom('4', '6'),
    }),
  ),
  routes,
  dns: objectOf({ nameservers: some(address), domain: text, search: some(text), options: some(text) }),
  ip4: fc.oneof(
    { weight: 5, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: objectOf({ ip: fc.constant('10.22.0.5/24'), gateway: address, routes }) },
  ),
})

/** The result of an ADD, of any version. */
export const results: fc.Arbitrary<unknown> = mostly<unknown>(result, json, 50)

/** The keys of a plugin's configuration, of whatever type. */
const keys = {
  bridge: fc.constantFrom('cni0', 'cni1', 'lo', 'br-with-a-long-name'),
  isGateway: flag,
  isDefaultGateway: flag,
  forceAddress: flag,
  ipMasq: flag,
  ipMasqBackend: fc.constantFrom('nftables', 'iptables'),
  mtu: fc.nat(70_000),
  hairpinMode: flag,
  promiscMode: flag,
  portIsolation: flag,
  vlan: fc.nat(5000),
  vlanTrunk: some(objectOf({ minID: fc.nat(5000), maxID: fc.nat(5000), id: fc.nat(5000) })),
  preserveDefaultVlan: flag,
  macspoofchk: flag,
  disableContainerInterface: flag,
  enabledad: flag,
  snat: flag,
  backend: fc.constantFrom('nftables', 'iptables'),
  capabilities: objectOf({ portMappings: flag, ips: flag, ipRanges: flag, mac: flag, bandwidth: flag }),
  dns: objectOf({ nameservers: some(address), domain: text }),
  args: objectOf({ cni: objectOf({ ips: some(address), mac: fc.constant('02:00:00:00:00:01') }) }),
  runtimeConfig: objectOf({
    portMappings: some(portMapping),
    ips: some(fc.constantFrom('10.22.0.7/24', '10.22.0.7')),
    ipRanges: some(some(range)),
    mac: fc.constant('02:00:00:00:00:01'),
  }),
}

/** The types of plugins that we have, and a few that we have not. */
const types = fc.constantFrom('bridge', 'ptp', 'portmap', 'loopback', 'host-local', 'static', 'macvlan', 'no-such')

/** The configuration of a plugin, without what a runtime adds. */
export const plugins: fc.Arbitrary<Record<string, unknown>> = objectOf({ type: types, ipam, ...keys }, ['type'])

const versions = fc.constantFrom('1.1.0', '1.0.0', '0.4.0', '0.3.1', '0.2.0', '0.1.0', '9.9.9', '')

/** What a plugin gets on its standard input. */
export const calls: fc.Arbitrary<Record<string, unknown>> = objectOf(
  {
    cniVersion: versions,
    name: fc.constantFrom('mynet', 'other', 'a'.repeat(250)),
    type: types,
    ipam,
    ...keys,
    prevResult: fc.oneof({ weight: 2, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: results }),
    'cni.dev/valid-attachments': some(
      objectOf({ containerID: fc.constantFrom('web', 'db'), ifname: fc.constant('eth0') }),
    ),
  },
  ['cniVersion', 'name', 'type', 'ipam'],
)

/** A network's configuration, as it stands in a file: a list, or a single plugin. */
export const networks: fc.Arbitrary<Record<string, unknown>> = fc.oneof(
  objectOf(
    {
      cniVersion: versions,
      cniVersions: some(versions),
      name: fc.constantFrom('mynet', 'other'),
      plugins: fc.array(plugins, { minLength: 1, maxLength: 3 }),
      disableCheck: fc.constantFrom<unknown>(true, 'TRUE', 'no'),
      disableGC: flag,
      loadOnlyInlinedPlugins: flag,
    },
    ['cniVersion', 'name', 'plugins'],
  ),
  fc
    .tuple(plugins, objectOf({ cniVersion: versions, name: fc.constantFrom('mynet', 'other') }, ['name']))
    .map(([plugin, own]) => ({ ...plugin, ...own })),
)
