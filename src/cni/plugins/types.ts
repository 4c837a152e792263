import type { PluginType } from '../protocol/plugin-type.ts'

/** All our plugin types, by the name of the executable. A new one takes one file and one line here. */
export const types: Readonly<Record<string, () => Promise<PluginType>>> = {
  bridge: async () => (await import('./bridge.ts')).bridge,
  ptp: async () => (await import('./ptp.ts')).ptp,
  macvlan: async () => (await import('./macvlan.ts')).macvlan,
  ipvlan: async () => (await import('./ipvlan.ts')).ipvlan,
  vlan: async () => (await import('./vlan.ts')).vlan,
  dummy: async () => (await import('./dummy.ts')).dummy,
  portmap: async () => (await import('./portmap.ts')).portmap,
  tuning: async () => (await import('./tuning.ts')).tuning,
  firewall: async () => (await import('./firewall.ts')).firewall,
  loopback: async () => (await import('./loopback.ts')).loopback,
  'host-local': async () => (await import('../ipam/host-local.ts')).hostLocal,
  static: async () => (await import('../ipam/static.ts')).staticIpam,
}
