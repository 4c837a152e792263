// The keys of the plugins in containernetworking/plugins (as of February 2026) and the kinds of their values.

/** What a value must be. */
export type ValueKind =
  | 'anything'
  | 'text'
  | 'flag'
  | 'number'
  | 'mac'
  | 'interface'
  /** `10.22.0.1` */
  | 'address'
  /** `10.22.0.5/16` */
  | 'address with prefix'
  /** `10.22.0.0/16`, without host bits */
  | 'subnet'
  | { oneOf: readonly string[] }
  /** A whole number; both ends are allowed. */
  | { from: number; to: number }
  | { listOf: ValueKind }
  /** Any keys, all with values of one kind. */
  | { mapOf: ValueKind }
  | { keys: Keys; required?: readonly string[] }

/** The keys that an object may have, and what is allowed as the value of each. */
export type Keys = Readonly<Record<string, ValueKind>>

/** A plugin type: what it does, in one line, its keys in addition to the common ones, and which of them it requires. */
export interface TypeKeys {
  does: string
  keys: Keys
  required?: readonly string[]
  /** It works on what earlier plugins made, so it cannot be the first one. */
  chained?: true
  /** It always requests an address from an IPAM plugin. */
  needsIpam?: true
  /** The capabilities that it uses. With `needsCapability`, it does nothing unless the first one is declared. */
  capabilities?: readonly string[]
  needsCapability?: true
}

/** A table's own entry for a name; undefined for inherited names such as `constructor`. */
export function lookup<T>(table: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined
}

const mtu: ValueKind = { from: 0, to: 65535 }
const vlanId: ValueKind = { from: 0, to: 4094 }
const dns: ValueKind = {
  keys: { nameservers: { listOf: 'address' }, domain: 'text', search: { listOf: 'text' }, options: { listOf: 'text' } },
}
const routes: ValueKind = {
  listOf: {
    keys: {
      dst: 'subnet',
      gw: 'address',
      mtu: 'number',
      advmss: 'number',
      priority: 'number',
      table: 'number',
      scope: { from: 0, to: 255 },
    },
    required: ['dst'],
  },
}
const range: Keys = { subnet: 'subnet', rangeStart: 'address', rangeEnd: 'address', gateway: 'address' }

/** Keys that any plugin's configuration may have (CNI spec 1.1.0, section 1). Those with `anything` are checked elsewhere. */
export const COMMON: Keys = {
  cniVersion: 'anything',
  name: 'anything',
  type: 'anything',
  capabilities: { mapOf: 'flag' },
  args: 'anything',
  ipam: 'anything',
  dns,
  /** Ours: where a plugin logs its calls. */
  cnilabLog: 'text',
}

const attachments: ValueKind = { listOf: { keys: { containerID: 'text', ifname: 'text' } } }

/** The keys of a result, in all versions (CNI spec 1.1.0, "Success"). */
export const RESULT: Keys = {
  cniVersion: 'text',
  interfaces: {
    listOf: {
      keys: { name: 'text', mac: 'text', mtu: 'number', sandbox: 'text', socketPath: 'text', pciID: 'text' },
    },
  },
  ips: { listOf: { keys: { version: 'text', address: 'text', gateway: 'address', interface: 'number' } } },
  routes,
  dns,
  ip4: { keys: { ip: 'text', gateway: 'address', routes } },
  ip6: { keys: { ip: 'text', gateway: 'address', routes } },
}

/** The keys of what a plugin gets from a runtime, whatever its type. */
export const PLUGIN: Keys = {
  ...COMMON,
  args: { keys: { cni: { keys: { ips: { listOf: 'text' }, mac: 'mac' } } } },
  prevResult: { keys: RESULT },
  runtimeConfig: {
    keys: {
      portMappings: {
        listOf: { keys: { hostPort: 'number', containerPort: 'number', protocol: 'text', hostIP: 'address' } },
      },
      ipRanges: { listOf: { listOf: { keys: range } } },
      ips: { listOf: 'text' },
      mac: 'mac',
    },
  },
  'cni.dev/valid-attachments': attachments,
  'cni.dev/attachments': attachments,
}

/** Keys of a list of plugins, likewise. */
export const LIST: Keys = {
  cniVersion: 'anything',
  cniVersions: { listOf: 'text' },
  name: 'anything',
  disableCheck: 'flag',
  disableGC: 'flag',
  loadOnlyInlinedPlugins: 'flag',
  plugins: 'anything',
}

/** Keys that a runtime adds when it calls a plugin, and that do not belong in a file. */
export const RUNTIME_ONLY = ['prevResult', 'runtimeConfig', 'cni.dev/valid-attachments', 'cni.dev/attachments']

/** The capabilities in CONVENTIONS.md, and others of containerd, CRI-O and Multus. */
export const CAPABILITIES = [
  'portMappings',
  'ipRanges',
  'bandwidth',
  'dns',
  'ips',
  'mac',
  'aliases',
  'cgroupPath',
  'infinibandGUID',
  'deviceID',
  'CNIDeviceInfoFile',
  'io.kubernetes.cri.pod-annotations',
]

/** The plugin types that create or change interfaces. */
export const TYPES: Readonly<Record<string, TypeKeys>> = {
  bridge: {
    does: 'a veth pair from the container to a bridge on the host',
    capabilities: ['mac'],
    keys: {
      bridge: 'interface',
      isGateway: 'flag',
      isDefaultGateway: 'flag',
      forceAddress: 'flag',
      ipMasq: 'flag',
      ipMasqBackend: { oneOf: ['iptables', 'nftables'] },
      mtu,
      hairpinMode: 'flag',
      promiscMode: 'flag',
      vlan: vlanId,
      vlanTrunk: {
        listOf: { keys: { minID: { from: 1, to: 4094 }, maxID: { from: 1, to: 4094 }, id: { from: 1, to: 4094 } } },
      },
      preserveDefaultVlan: 'flag',
      macspoofchk: 'flag',
      enabledad: 'flag',
      disableContainerInterface: 'flag',
      portIsolation: 'flag',
    },
  },
  ptp: {
    does: 'a veth pair and a route for each container, without a bridge',
    needsIpam: true,
    keys: { ipMasq: 'flag', ipMasqBackend: { oneOf: ['iptables', 'nftables'] }, mtu },
  },
  macvlan: {
    does: "an interface with its own MAC address on one of the host's",
    capabilities: ['mac'],
    keys: {
      master: 'interface',
      mode: { oneOf: ['bridge', 'private', 'vepa', 'passthru'] },
      mtu,
      mac: 'mac',
      linkInContainer: 'flag',
      bcqueuelen: 'number',
    },
  },
  ipvlan: {
    does: "an interface that shares the MAC address of one of the host's",
    keys: { master: 'interface', mode: { oneOf: ['l2', 'l3', 'l3s'] }, mtu, linkInContainer: 'flag' },
  },
  vlan: {
    does: "an 802.1Q sub-interface of one of the host's interfaces",
    required: ['master'],
    needsIpam: true,
    keys: { master: 'interface', vlanId, mtu, linkInContainer: 'flag' },
  },
  'host-device': {
    does: "moves one of the host's interfaces into the container",
    capabilities: ['deviceID'],
    keys: { device: 'interface', hwaddr: 'mac', kernelpath: 'text', pciBusID: 'text', DPDKMode: 'flag' },
  },
  tap: {
    does: 'a tap interface in the container',
    capabilities: ['mac'],
    keys: {
      multiQueue: 'flag',
      mtu,
      mac: 'mac',
      owner: 'number',
      group: 'number',
      selinuxContext: 'text',
      bridge: 'interface',
    },
  },
  dummy: { does: 'an interface that leads nowhere', needsIpam: true, keys: {} },
  loopback: { does: "sets the container's lo up", keys: {} },
  portmap: {
    does: "forwards ports of the host to the container's",
    chained: true,
    capabilities: ['portMappings'],
    needsCapability: true,
    keys: {
      backend: { oneOf: ['iptables', 'nftables'] },
      snat: 'flag',
      masqAll: 'flag',
      markMasqBit: { from: 0, to: 31 },
      externalSetMarkChain: 'text',
      conditionsV4: { listOf: 'text' },
      conditionsV6: { listOf: 'text' },
    },
  },
  tuning: {
    does: "sets sysctls and properties of the container's interface",
    chained: true,
    capabilities: ['mac'],
    keys: {
      dataDir: 'text',
      sysctl: { mapOf: 'text' },
      mac: 'mac',
      promisc: 'flag',
      mtu,
      txQLen: 'number',
      allmulti: 'flag',
    },
  },
  firewall: {
    does: "lets the container's packets through the host's firewall",
    chained: true,
    keys: {
      backend: { oneOf: ['iptables', 'firewalld'] },
      iptablesAdminChainName: 'text',
      firewalldZone: 'text',
      ingressPolicy: { oneOf: ['open', 'same-bridge', 'isolated'] },
    },
  },
  bandwidth: {
    does: 'limits the rate at which the container sends and receives',
    chained: true,
    capabilities: ['bandwidth'],
    keys: { ingressRate: 'number', ingressBurst: 'number', egressRate: 'number', egressBurst: 'number' },
  },
  sbr: {
    does: "routes by the packet's source address",
    chained: true,
    keys: { table: 'number', gateways: { listOf: 'address' }, addSourceHints: 'flag' },
  },
  vrf: {
    does: 'puts the interface into a VRF, with its own routing table',
    chained: true,
    required: ['vrfname'],
    keys: { vrfname: 'interface', table: 'number' },
  },
}

/** The types that hand out addresses, with the keys of `ipam`. */
export const IPAM_TYPES: Readonly<Record<string, TypeKeys>> = {
  'host-local': {
    does: 'addresses from a subnet, recorded in files on the host',
    capabilities: ['ipRanges', 'ips'],
    keys: {
      type: 'text',
      ...range,
      ranges: { listOf: { listOf: { keys: range, required: ['subnet'] } } },
      routes,
      dataDir: 'text',
      resolvConf: 'text',
    },
  },
  static: {
    does: 'the addresses that the configuration names',
    capabilities: ['ips'],
    keys: {
      type: 'text',
      addresses: {
        listOf: { keys: { address: 'address with prefix', gateway: 'address' }, required: ['address'] },
      },
      routes,
      dns,
    },
  },
  dhcp: {
    does: 'an address from a DHCP server, whose lease a daemon keeps',
    keys: {
      type: 'text',
      daemonSocketPath: 'text',
      provide: {
        listOf: { keys: { option: 'anything', value: 'text', fromArg: 'text' }, required: ['option'] },
      },
      request: { listOf: { keys: { option: 'anything', skipDefault: 'flag' } } },
      priority: 'number',
    },
  },
}

/** Well-known plugins of others, whose keys we do not know. */
export const OTHERS: Readonly<Record<string, string>> = {
  flannel: "writes a bridge's configuration from what flanneld knows, and calls it",
  calico: 'routes to each container, and policies',
  'cilium-cni': "Cilium's network, in eBPF",
  'weave-net': "Weave's overlay network",
  multus: 'calls other plugins, for several interfaces',
}
