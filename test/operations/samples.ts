import type { KindName } from '../../src/operations/registry.ts'

export const pair: [KindName, object] = ['veth', { name: 'a', peer: 'b' }]
export const cable: [KindName, object][] = [
  ['netns', { name: 'red' }],
  ['veth', { name: 'a', peer: 'eth0', peerNetns: 'red' }],
]
const ports: [KindName, object][] = [['port-forwarding', { family: 'ip' }]]

export const owned = { mac: '02:00:00:00:00:01', peerMac: '02:00:00:00:00:02', owner: 'n/c/eth0' }
export const inNetwork = { network: 'n', subnet: '10.22.0.0/16' }

const red: [KindName, object] = ['netns', { name: 'red' }]
const portsOfRed: [KindName, object] = ['port-forwarding', { family: 'ip', netns: 'red' }]
const networkOfRed: [KindName, object] = ['network-masquerade', { ...inNetwork, netns: 'red' }]

const firewallOfRed: [KindName, object] = ['firewall', { family: 'ip', netns: 'red' }]

/** Kinds whose rules are in the namespace that they name. */
export const RULES_OF_RED: [KindName, object, [KindName, object][]][] = [
  ['masquerade', { subnet: '10.22.0.0/16', netns: 'red' }, [red]],
  [...networkOfRed, [red]],
  ['masqueraded-address', { ...inNetwork, address: '10.22.0.2', owner: 'n/c/i', netns: 'red' }, [red, networkOfRed]],
  ['mac-spoof-check', { ifname: 'a', mac: '02:00:00:00:00:01', netns: 'red' }, [red]],
  [...portsOfRed, [red]],
  [
    'port-forward',
    { protocol: 'tcp', hostPort: 1, address: '10.22.0.2', containerPort: 2, owner: 'n/c/i', netns: 'red' },
    [red, portsOfRed],
  ],
  [
    'forward-masquerade',
    { source: '10.9.0.0/16', address: '10.22.0.2', owner: 'n/c/i', netns: 'red' },
    [red, portsOfRed],
  ],
  [...firewallOfRed, [red]],
  ['firewall-member', { address: '10.22.0.2', ingress: 'open', owner: 'n/c/i', netns: 'red' }, [red, firewallOfRed]],
]

/** Operations of all kinds that every kernel has, and what must be there first. Names are keywords of ip, on purpose. */
export const ROWS: [KindName, object, [KindName, object][]][] = [
  ['netns', { name: 'red' }, []],
  ['bridge', { name: 'up' }, []],
  ['bridge', { name: 'b', mark: { mac: '02:00:00:00:00:01' } }, []],
  ['veth', { name: 'a', peer: 'dev' }, []],
  ['veth', { name: 'a', peer: 'eth0', peerNetns: 'red' }, [['netns', { name: 'red' }]]],
  ['attach-netns', { ifname: 'b', netns: 'red' }, [['netns', { name: 'red' }], pair]],
  ['attach-netns', { ifname: 'b', netns: 'red', name: 'eth0' }, [['netns', { name: 'red' }], pair]],
  ['attach-bridge', { ifname: 'b', bridge: 'br0' }, [['bridge', { name: 'br0' }], pair]],
  ['address', { address: '10.22.0.2/16', ifname: 'a' }, [pair]],
  ['address', { address: 'fd00::2/64', ifname: 'eth0', netns: 'red' }, cable],
  ['up', { ifname: 'a' }, [pair]],
  ['up', { ifname: 'eth0', netns: 'red', linkLocal: false }, cable],
  [
    'route',
    { dst: 'default', via: '10.22.0.1', netns: 'red' },
    [
      ...cable,
      ['address', { address: '10.22.0.2/16', ifname: 'eth0', netns: 'red' }],
      ['up', { ifname: 'eth0', netns: 'red' }],
    ],
  ],
  [
    'route',
    { dst: 'fd01::/64', via: 'fd00::1' },
    [pair, ['address', { address: 'fd00::2/64', ifname: 'a' }], ['up', { ifname: 'a' }], ['up', { ifname: 'b' }]],
  ],
  ['sysctl', { key: 'net.ipv4.ip_forward', value: '1' }, []],
  ['masquerade', { subnet: '10.22.0.0/16' }, []],
  ['masquerade', { subnet: 'fd00::/64' }, []],
  ['port-forwarding', { family: 'ip' }, []],
  ['port-forwarding', { family: 'ip6' }, []],
  ['port-forward', { protocol: 'tcp', hostPort: 1, address: '10.22.0.2', containerPort: 2, owner: 'n/c/i' }, ports],
  [
    'port-forward',
    { protocol: 'udp', hostIp: 'fd00::9', hostPort: 1, address: 'fd00::2', containerPort: 2, owner: 'n/c/i' },
    [['port-forwarding', { family: 'ip6' }]],
  ],
  ['forward-masquerade', { source: '0.0.0.0/0', address: '10.22.0.2', owner: 'n/c/i' }, ports],
  ['forward-masquerade', { source: '10.9.0.1/32', address: '10.22.0.2', owner: 'n/c/i' }, ports],
  ['bridge', { name: 'b', mtu: 1400 }, []],
  ['veth', { name: 'a', peer: 'b', mtu: 1400 }, []],
  ['veth', { name: 'a', peer: 'eth0', peerNetns: 'red', mark: owned }, [red]],
  ['veth', { name: 'a', netns: 'red', peer: 'b', peerNetns: 'red' }, [red]],
  ['attach-bridge', { ifname: 'b', bridge: 'br0', hairpin: true, isolated: true }, [['bridge', { name: 'br0' }], pair]],
  ['address', { address: 'fd00::2/64', ifname: 'eth0', netns: 'red', detectDuplicates: true }, cable],
  [
    'route',
    { dst: '192.0.2.0/24', dev: 'eth0', netns: 'red', mtu: 1400, advmss: 1360, priority: 50, table: 7, scope: 253 },
    [...cable, ['up', { ifname: 'eth0', netns: 'red' }]],
  ],
  ['network-masquerade', { network: 'my.net-2', subnet: '10.22.0.0/16' }, []],
  ['network-masquerade', { network: 'n', subnet: 'fd00::/64' }, []],
  ['mac-spoof-check', { ifname: 'a', mac: '02:00:00:00:00:01' }, [pair]],
  ['firewall', { family: 'ip6' }, []],
  ['firewall', { family: 'bridge' }, []],
  ['macvlan', { name: 'm', parent: 'a' }, [pair]],
  [
    'macvlan',
    { name: 'eth0', parent: 'a', netns: 'red', mode: 'private', mtu: 1400 },
    [['netns', { name: 'red' }], pair],
  ],
  ['macvlan', { name: 'm', parent: 'a', mark: { mac: '02:00:00:00:00:01' } }, [pair]],
  // Its name is also that of an interface of the host.
  [
    'macvlan',
    { name: 'a', parent: 'a', netns: 'red', mark: owned, bcqueuelen: 2000 },
    [['netns', { name: 'red' }], pair],
  ],
  ['macvlan', { name: 'm', parent: 'eth0', netns: 'red', parentIn: 'netns', mark: owned }, cable],
  ['macvlan', { name: 'm', parent: 'n' }, [pair, ['macvlan', { name: 'n', parent: 'a' }]]],
  ['promiscuous', { ifname: 'a' }, [pair]],
  ['link-settings', { ifname: 'a', mac: '02:00:00:00:00:09', mtu: 1400, promiscuous: true }, [pair]],
  ['link-settings', { ifname: 'eth0', netns: 'red', allMulticast: true, queueLength: 77 }, cable],
  // In another namespace than the host's.
  ['bridge', { name: 'b', netns: 'red', mtu: 1400, mark: { mac: '02:00:00:00:00:01' } }, [['netns', { name: 'red' }]]],
  [
    'attach-bridge',
    { ifname: 'eth0', bridge: 'b', netns: 'red', hairpin: true },
    [...cable, ['bridge', { name: 'b', netns: 'red' }]],
  ],
  ['attach-netns', { ifname: 'eth0', from: 'red', netns: 'blue', name: 'x' }, [...cable, ['netns', { name: 'blue' }]]],
  ['promiscuous', { ifname: 'eth0', netns: 'red' }, cable],
  ['sysctl', { key: 'net.ipv4.ip_forward', value: '1', netns: 'red' }, [['netns', { name: 'red' }]]],
  ['sysctl', { key: 'net.ipv4.conf.eth0.rp_filter', value: '2', netns: 'red' }, cable],
  // With its last address the table of a network goes.
  ...RULES_OF_RED.filter(([kind]) => kind !== 'masqueraded-address' && kind !== 'firewall-member'),
]
