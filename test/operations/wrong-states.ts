import { passingName } from '../../src/operations/made-link.ts'
import type { KindName } from '../../src/operations/registry.ts'

export type Item = [KindName, object]

const red: Item = ['netns', { name: 'red' }]
const blue: Item = ['netns', { name: 'blue' }]
const pair: Item = ['veth', { name: 'a', peer: 'b' }]
const cable: Item = ['veth', { name: 'a', peer: 'eth0', peerNetns: 'red' }]
const bridge: Item = ['bridge', { name: 'br0' }]
const moved: Item = ['attach-netns', { ifname: 'b', netns: 'red', name: 'eth0' }]
const port: Item = ['attach-bridge', { ifname: 'b', bridge: 'br0' }]
const address: Item = ['address', { address: '10.22.0.2/16', ifname: 'eth0', netns: 'red' }]
const up: Item = ['up', { ifname: 'eth0', netns: 'red' }]
const macvlan: Item = ['macvlan', { name: 'm', parent: 'a' }]
const spoof: Item = ['mac-spoof-check', { ifname: 'a', mac: '02:00:00:00:00:01' }]
const ports: Item = ['port-forwarding', { family: 'ip' }]
const own = { address: '10.22.0.2', owner: 'n/c/i' }
const forward: Item = ['port-forward', { protocol: 'tcp', hostPort: 80, containerPort: 80, ...own }]
const source: Item = ['forward-masquerade', { source: '10.9.0.0/16', ...own }]
const network: Item = ['network-masquerade', { network: 'n', subnet: '10.22.0.0/16' }]
const member: Item = ['masqueraded-address', { network: 'n', subnet: '10.22.0.0/16', ...own }]

/** A table of ours into which somebody put a chain. */
const stranger = (table: string) => `nft add table ${table}; nft add chain ${table} mine`
/** An element of ours that is there without its owner. */
const disowned = (set: string, key: string, target = '') =>
  `nft delete element ip ${set} '{ ${key} }'; nft add element ip ${set} '{ ${key}${target} }'`

const firewall: Item = ['firewall', { family: 'ip' }]
const let4: Item = ['firewall-member', { address: '10.22.0.2', ingress: 'open', owner: 'n/c/i' }]
/** A chain of somebody else's that drops what is forwarded. */
const dropping = `nft 'add table ip f; add chain ip f mine; add chain ip f out { type filter hook forward priority 0; policy drop; }'`
const accept: Item = ['forward-accept', { family: 'ip', table: 'f', chain: 'out', first: ['mine'] }]

/** What is done first, what somebody then does, and the operation that is not there for it. */
type Row = [wrong: string, before: Item[], shell: string, operation: Item]

/** Those about rules of nftables, which the host and each namespace have of their own. */
const RULES: readonly Row[] = [
  ["a port's table holds what is not ours", [pair], stranger('bridge cnilab_a'), spoof],
  ["a network's table holds what is not ours", [], stranger('ip cnilab_network_n'), network],
  [
    'an address is masqueraded for somebody else',
    [network, member],
    disowned('cnilab_network_n containers_10_22_0_0_16', '10.22.0.2'),
    member,
  ],
  ['the table of ports holds what is not ours', [], stranger('ip cnilab_ports'), ports],
  [
    'a port leads to somebody else',
    [ports, forward],
    disowned('cnilab_ports any_address', 'tcp . 80', ' : 10.22.0.9 . 80'),
    forward,
  ],
  ['the table of the firewall holds what is not ours', [], stranger('ip cnilab_firewall'), firewall],
  [
    'a container is let through for somebody else',
    [firewall, let4],
    disowned('cnilab_firewall accepted', '10.22.0.2'),
    let4,
  ],
  ['a chain of others lets nobody through', [], dropping, accept],
  [
    'a source is masqueraded for somebody else',
    [ports, source],
    disowned('cnilab_ports masqueraded_sources', '10.9.0.0/16 . 10.22.0.2'),
    source,
  ],
]

/** The same in the namespace red. */
function inRed([wrong, before, shell, operation]: Row): Row {
  const placed = ([kind, params]: Item): Item =>
    kind === 'veth' || kind === 'netns' ? [kind, params] : [kind, { ...params, netns: 'red' }]
  return [`${wrong}, in red`, [red, ...before].map(placed), `ip netns exec red sh -ec "${shell}"`, placed(operation)]
}

export const WRONG: readonly Row[] = [
  ['a file has the name of the namespace', [], 'touch /run/netns/red', red],
  ['a bridge has another MTU', [bridge], 'true', ['bridge', { name: 'br0', mtu: 1400 }]],
  ['a veth has the name of a bridge', [], 'ip link add name br0 type veth peer name x', bridge],
  [
    'a veth of red has the name of a bridge',
    [red],
    'ip -n red link add name br0 type veth peer name x',
    ['bridge', { name: 'br0', netns: 'red' }],
  ],
  ['a cable has another MTU', [pair], 'ip link set dev b mtu 1300', ['veth', { name: 'a', peer: 'b', mtu: 1400 }]],
  ['the other end has another name', [], 'ip link add name a type veth peer name x', pair],
  ['one end has another name and is up', [], 'ip link add name x type veth peer name b; ip link set dev x up', pair],
  [
    'the other end is in another namespace',
    [red, blue],
    'ip link add name a type veth peer name eth0 netns blue',
    cable,
  ],
  ['a bridge has the name of an end', [], 'ip link add name a type bridge', pair],
  [
    'both names belong to other cables',
    [],
    'ip link add name a type veth peer name x; ip link add name b type veth peer name y',
    pair,
  ],
  ['the end is in another namespace', [red, blue, pair], 'ip link set dev b netns blue', moved],
  ['the end was moved and not renamed', [red, pair], 'ip link set dev b netns red', moved],
  [
    'the end was moved and misnamed',
    [red, pair],
    'ip link set dev b netns red name eht0; ip -n red link set dev eht0 up',
    moved,
  ],
  ['something else has its name there', [red, pair], 'ip -n red link add name eth0 type bridge', moved],
  [
    'a port is in another bridge',
    [bridge, pair],
    'ip link add name br1 type bridge; ip link set dev b master br1',
    port,
  ],
  [
    'a port has the wrong modes',
    [bridge, pair, port],
    'ip link set dev b type bridge_slave hairpin on',
    ['attach-bridge', { ifname: 'b', bridge: 'br0', isolated: true, hairpin: false }],
  ],
  ['an address has another prefix', [red, cable], 'ip -n red address add 10.22.0.2/24 dev eth0', address],
  [
    'an address brings a route',
    [red, cable, address],
    'true',
    ['address', { address: '10.22.0.2/16', ifname: 'eth0', netns: 'red', prefixRoute: false }],
  ],
  ['an interface is down', [red, cable, up], 'ip -n red link set dev eth0 down', up],
  [
    'an interface came up with a link-local address',
    [red, cable, up],
    'ip link set dev a up; ip -n red address show dev eth0 | grep -q fe80',
    ['up', { ifname: 'eth0', netns: 'red', linkLocal: false }],
  ],
  [
    'a route has another gateway',
    [red, cable, address, up],
    'ip -n red route add default via 10.22.0.9',
    ['route', { dst: 'default', via: '10.22.0.1', netns: 'red' }],
  ],
  [
    'a route has another MTU',
    [red, cable, address, up],
    'ip -n red route add 10.9.0.0/16 via 10.22.0.1',
    ['route', { dst: '10.9.0.0/16', via: '10.22.0.1', netns: 'red', mtu: 1400 }],
  ],
  [
    'a setting has another value',
    [],
    'sysctl -qw net.ipv4.ip_forward=0',
    ['sysctl', { key: 'net.ipv4.ip_forward', value: '1' }],
  ],
  [
    'a setting of red has another value',
    [red],
    'true',
    ['sysctl', { key: 'net.ipv4.ip_forward', value: '1', netns: 'red' }],
  ],
  ['an interface is not promiscuous', [pair], 'true', ['promiscuous', { ifname: 'a' }]],
  [
    'an interface has other settings',
    [pair],
    'ip link set dev a txqueuelen 5 allmulticast on',
    ['link-settings', { ifname: 'a', allMulticast: false, queueLength: 1000 }],
  ],
  ['a macvlan has another mode', [pair], 'ip link add name m link a type macvlan mode private', macvlan],
  ['a macvlan lies on another interface', [pair], 'ip link add name m link b type macvlan mode bridge', macvlan],
  ['a macvlan has another MTU', [pair, macvlan], 'true', ['macvlan', { name: 'm', parent: 'a', mtu: 1400 }]],
  [
    'a macvlan has not got its name',
    [red, pair],
    `ip link add name ${passingName({ name: 'eth0', netns: 'red' })} link a netns red type macvlan mode bridge`,
    ['macvlan', { name: 'eth0', parent: 'a', netns: 'red' }],
  ],
  [
    'a chain of others lets containers through, but not by way of the other',
    [],
    `${dropping}; nft insert rule ip f out meta mark and 0x1000 == 0x1000 accept comment '"made by cnilab"'`,
    accept,
  ],
  ...RULES,
  ...RULES.map(inRed),
]

const route: Item = ['route', { dst: 'default', via: '10.22.0.1', netns: 'red' }]
const container: Item[] = [
  red,
  cable,
  bridge,
  ['attach-bridge', { ifname: 'a', bridge: 'br0' }],
  address,
  ['address', { address: 'fd00::2/64', ifname: 'eth0', netns: 'red' }],
  ['sysctl', { key: 'net.ipv4.conf.eth0.rp_filter', value: '1', netns: 'red' }],
  ['up', { ifname: 'a' }],
  up,
  route,
  ['route', { dst: '10.9.0.0/16', via: '10.22.0.1', netns: 'red', priority: 7 }],
]

/** What is done first, and what somebody then does: to mend it takes away what else was done, which is made again. */
export const LOST: readonly (readonly [wrong: string, plan: Item[], shell: string])[] = [
  ['a bridge has the name of an end', container, 'ip link delete dev a; ip link add name a type bridge'],
  [
    'the other end is in a third namespace',
    container,
    'ip link delete dev a; ip netns add blue; ip link add name a type veth peer name eth0 netns blue; ip link set dev a master br0 up',
  ],
  [
    'a bridge has the name of an end, and red is gone',
    container,
    'ip link delete dev a; ip netns delete red; ip link add name a type bridge',
  ],
  [
    'two cables are crossed',
    [bridge, pair, ['veth', { name: 'x', peer: 'y' }], port],
    'ip link delete dev a; ip link delete dev x; ip link add name a type veth peer name x; ip link add name b type veth peer name y',
  ],
  [
    'the end in red has another name',
    container,
    'ip -n red link set dev eth0 down; ip -n red link set dev eth0 name x up',
  ],
  [
    'an address has another prefix',
    container,
    'ip -n red address add 10.22.0.2/24 dev eth0; ip -n red address delete 10.22.0.2/16 dev eth0; ip -n red route replace default via 10.22.0.1; ip -n red route replace 10.9.0.0/16 via 10.22.0.1 metric 7',
  ],
  ['a route has another gateway', container, 'ip -n red route replace default via 10.22.0.9'],
  [
    'a veth has the name of the bridge',
    container,
    'ip link delete dev br0; ip link add name br0 type veth peer name x',
  ],
  [
    'an end is called as words of ip are',
    [
      ['veth', { name: 'peer', peer: 'down' }],
      ['address', { address: '10.22.0.2/16', ifname: 'down' }],
      ['up', { ifname: 'down' }],
    ],
    'ip link set dev down down; ip link set dev down name x; ip link set dev x up',
  ],
  [
    'a veth in use has the name of the bridge',
    [
      bridge,
      ['address', { address: '10.44.0.1/24', ifname: 'br0' }],
      ['up', { ifname: 'br0' }],
      ['route', { dst: '10.45.0.0/16', via: '10.44.0.9' }],
      ['sysctl', { key: 'net.ipv4.conf.br0.log_martians', value: '1' }],
    ],
    'ip link delete dev br0; ip link add name br0 type veth peer name x; ip link set dev br0 up; ip address add 10.44.0.1/24 dev br0; ip route add 10.45.0.0/16 via 10.44.0.9; sysctl -qw net.ipv4.conf.br0.log_martians=1',
  ],
  ['a port is in another bridge', container, 'ip link add name br1 type bridge; ip link set dev a master br1'],
  [
    'a table holds what is not ours',
    [network, member],
    'nft add chain ip cnilab_network_n mine; nft flush chain ip cnilab_network_n postrouting_10_22_0_0_16',
  ],
  [
    'the table of ports holds what is not ours',
    [ports, forward, source],
    'nft add chain ip cnilab_ports mine; nft flush chain ip cnilab_ports output',
  ],
  [
    'a macvlan lies on something else',
    [pair, macvlan, ['up', { ifname: 'm' }]],
    'ip link delete dev m; ip link delete dev a; ip link add name a type bridge; ip link add name b type bridge; ip link add link b name m type macvlan mode bridge; ip link set dev m up',
  ],
]

const NEAR = 'ip link add name br9 type bridge; ip link set dev a master br9 up; ip address add 10.5.0.1/24 dev a'
const SHOW_NEAR = 'ip -br address show dev a; ip -br link show master br9'
/** An end that is in use, and how it shows. */
const FAR =
  'ip link set dev x up; ip address add 10.6.0.1/24 dev x; ip -6 address add fd06::1/64 dev x nodad; ip route add 10.8.0.0/16 dev x; ip route add 10.7.0.0/16 via 10.8.0.9 metric 5 mtu 1300; ip -6 route add fd07::/64 via fd06::9 table 7'
const SHOW_FAR = 'ip -br address show dev b; ip route; ip -6 route show table 7'
const FAR_SHOWN = [
  '10.6.0.1/24',
  'fd06::1/64',
  '10.7.0.0/16 via 10.8.0.9 dev b metric 5 mtu 1300',
  '10.8.0.0/16 dev b scope link',
  'fd07::/64 via fd06::9 dev b',
]

/** What is wrong with a cable, what is on it, which nothing else in the list would make again, and where it still is. */
export const KEPT: readonly (readonly [
  wrong: string,
  operation: Item,
  shell: string,
  look: string,
  expected: string[],
])[] = [
  [
    'the other end has another name',
    pair,
    `ip link add name a type veth peer name x; ${NEAR}; ip link set dev a nomaster; ${FAR}`,
    `${SHOW_FAR}; ip -br address show dev a`,
    [...FAR_SHOWN, '10.5.0.1/24'],
  ],
  [
    'the other end has another name, and is a port',
    pair,
    'ip link add name a type veth peer name x; ip link add name br9 type bridge; ip link set dev x master br9 up',
    'ip -br link show master br9 up',
    ['b@a'],
  ],
  [
    'the other end is in another namespace',
    cable,
    `ip netns add blue; ip link add name a type veth peer name x netns blue; ${NEAR}`,
    SHOW_NEAR,
    ['10.5.0.1/24', 'a@if'],
  ],
  [
    'the other end is a port in another namespace',
    cable,
    `ip link add name a type veth peer name x; ip link add name br8 type bridge; ip link set dev x master br8; ${NEAR}`,
    SHOW_NEAR,
    ['10.5.0.1/24', 'a@if'],
  ],
  [
    'a bridge has the name of the other end',
    pair,
    `ip link add name a type veth peer name x; ip link add name b type bridge; ${NEAR}`,
    SHOW_NEAR,
    ['10.5.0.1/24', 'a@b'],
  ],
  [
    'another cable has the name of the other end',
    pair,
    `ip link add name a type veth peer name x; ip link add name b type veth peer name y; ${NEAR}`,
    `${SHOW_NEAR}; ip -br link`,
    ['10.5.0.1/24', 'a@b'],
  ],
  [
    'an end that was moved has another name',
    moved,
    `ip link add name a type veth peer name x; ip link set dev x netns red; ip netns exec red sh -ec '${FAR}'`,
    `ip netns exec red sh -ec '${SHOW_FAR.replace('dev b', 'dev eth0')}'`,
    FAR_SHOWN.map((one) => one.replace('dev b', 'dev eth0')),
  ],
]

/** Cables whose ends the plan moves, what is there before, and how it is looked at in the end. */
export const MOVED: readonly (readonly [what: string, plan: Item[], shell: string, look: string, expected: RegExp])[] =
  [
    [
      'both ends are moved and renamed',
      [
        red,
        blue,
        ['veth', { name: 'e', peer: 'f' }],
        ['attach-netns', { ifname: 'f', netns: 'blue', name: 'eth0' }],
        ['attach-netns', { ifname: 'e', netns: 'red', name: 'eth0' }],
      ],
      'true',
      'ip -br link show type veth | grep -vc ^eth0 || ip -all netns exec ip -br link show type veth',
      /^0\s+netns: \w+\s+eth0@\S+ [^]*netns: \w+\s+eth0@\S+ .*$/,
    ],
    [
      'an end is moved from the namespace in which it was made',
      [
        red,
        blue,
        ['veth', { name: 'e', peer: 'f', peerNetns: 'red' }],
        ['attach-netns', { ifname: 'f', from: 'red', netns: 'blue' }],
      ],
      'true',
      'ip -n blue -br link show type veth; ip -n red -br link show type veth',
      /^f@\S+ [^\n]*$/,
    ],
    [
      'an end is moved twice, and one name is used by two cables',
      [
        red,
        blue,
        ['veth', { name: 'a', peer: 'tmp' }],
        ['attach-netns', { ifname: 'tmp', netns: 'red' }],
        ['attach-netns', { ifname: 'tmp', from: 'red', netns: 'blue', name: 'eth0' }],
        ['veth', { name: 'b', peer: 'tmp' }],
        ['attach-netns', { ifname: 'tmp', netns: 'red', name: 'eth0' }],
      ],
      'true',
      'ip -br link show type veth; for n in red blue; do ip -n $n -br link show type veth; done',
      /\ba@[^]*\bb@[^]*\beth0@[^]*\beth0@[^\n]*$/,
    ],
    [
      "another cable's end has the name",
      [red, pair, moved],
      'ip netns add red; ip link add name x type veth peer name eth0 netns red',
      'ip -br link show type veth | grep -v ^eth0',
      /^a@\S+ [^\n]*$/,
    ],
    [
      "another cable's end has the name, and the own one is astray",
      [red, blue, pair, moved],
      'ip netns add red; ip netns add blue; ip link add name x type veth peer name eth0 netns red; ip link add name a type veth peer name b netns blue',
      'ip -br link show type veth | grep -v ^eth0; ip -n red link show eth0 >/dev/null',
      /^a@\S+ [^\n]*$/,
    ],
    ...([pair, cable] as const).map(
      (one) =>
        [
          `the other end of ${one === cable ? 'a' : 'a moved'} cable is in a namespace without a name`,
          [red, one, ...(one === pair ? [moved] : []), bridge, ['attach-bridge', { ifname: 'a', bridge: 'br0' }], up],
          'ip netns add red; ip link add name a type veth peer name eth0 netns red; ip netns exec red setsid sleep 60 >/dev/null 2>&1 & sleep 0.3; ip netns delete red',
          'ip -br link show master br0; ip -n red -br link show up eth0',
          /^a@[^\n]*\neth0@[^\n]*$/,
        ] satisfies (typeof MOVED)[number],
    ),
  ]
