import * as z from 'zod'
import { readConfigFile } from '../config/config-file.ts'
import { CnilabError } from '../../errors.ts'
import { UPLINK } from '../../state/state.ts'
import { parseUntrusted } from '../protocol/given-json.ts'
import type { PluginKind } from './verdict.ts'

/** A plugin's configuration, without what the runtime adds. */
export type Config = Readonly<Record<string, unknown>>

/** The network of the configurations below. */
const NETWORK = { name: 'conformance', subnet: '10.98.0.0/16' }

const hostLocal = { type: 'host-local', subnet: NETWORK.subnet, routes: [{ dst: '0.0.0.0/0' }] }
const uplinked = { master: UPLINK.ifname, ipam: hostLocal }

/** The kind of common plugin types, and a configuration that uses most of their features. */
const TYPES: Readonly<Record<string, { kind: PluginKind; config?: Config }>> = {
  bridge: {
    kind: 'interface',
    config: { bridge: 'cnf0', isGateway: true, ipMasq: true, hairpinMode: true, ipam: hostLocal },
  },
  ptp: { kind: 'interface', config: { ipMasq: true, ipam: hostLocal } },
  macvlan: { kind: 'interface', config: uplinked },
  ipvlan: { kind: 'interface', config: uplinked },
  vlan: { kind: 'interface', config: { ...uplinked, vlanId: 98 } },
  dummy: { kind: 'interface', config: { ipam: hostLocal } },
  'host-device': { kind: 'interface' },
  loopback: { kind: 'loopback', config: {} },
  'host-local': { kind: 'ipam', config: { ipam: hostLocal } },
  static: {
    kind: 'ipam',
    config: {
      ipam: {
        type: 'static',
        addresses: [{ address: '10.98.0.7/16', gateway: '10.98.0.1' }],
        routes: [{ dst: '0.0.0.0/0' }],
      },
    },
  },
  dhcp: { kind: 'ipam' },
  portmap: {
    kind: 'chained',
    config: {
      snat: true,
      runtimeConfig: { portMappings: [{ hostPort: 8098, containerPort: 80, protocol: 'tcp' }] },
    },
  },
  tuning: { kind: 'chained', config: { sysctl: { 'net.ipv4.conf.all.log_martians': '1' }, mtu: 1400 } },
  firewall: { kind: 'chained', config: {} },
  bandwidth: {
    kind: 'chained',
    config: { ingressRate: 8_000_000, ingressBurst: 800_000, egressRate: 8_000_000, egressBurst: 800_000 },
  },
  sbr: { kind: 'chained' },
  vrf: { kind: 'chained' },
}

const fileSchema = z.record(z.string(), z.unknown())
const listSchema = z.looseObject({ plugins: z.array(fileSchema).min(1) })

/** How to test a plugin: as which kind, and with which configuration. */
export interface Setup {
  kind: PluginKind
  config: Config
}

/**
 * The setup for a type: from a file with a plugin or a list, or else a built-in one. Throws CnilabError `usage` if the file
 * cannot be used, or if there is neither.
 */
export function setupFor(type: string, file?: string): Setup {
  const known = TYPES[type]
  if (file !== undefined) return fromFile(type, known?.kind, file)
  if (known?.config) return { kind: known.kind, config: { name: NETWORK.name, type, ...known.config } }
  const types = Object.keys(TYPES).filter((one) => TYPES[one]?.config)
  throw new CnilabError('usage', `there is no built-in configuration for the plugin type '${type}'`, {
    fix: `pass one with --config FILE; there are built-in ones for ${types.join(', ')}`,
  })
}

function fromFile(type: string, kind: PluginKind | undefined, file: string): Setup {
  const refuse = (what: string) => new CnilabError('usage', `${file}: ${what}`)
  let json: unknown
  try {
    json = parseUntrusted(readConfigFile(file))
  } catch (error) {
    throw refuse(error instanceof Error ? error.message : String(error))
  }
  const { data: list } = listSchema.safeParse(json)
  const { data: own } = fileSchema.safeParse(json)
  if (!own) throw refuse('this is not a network configuration, which is a JSON object')
  const { plugins, ...rest } = own
  if (plugins !== undefined && !list) throw refuse('"plugins" must be a list of at least one plugin')
  const at = list ? list.plugins.findIndex((plugin) => plugin['type'] === type || ipamTypeOf(plugin) === type) : 0
  const found = list ? list.plugins[at] : rest
  if (!found || (found['type'] !== type && ipamTypeOf(found) !== type))
    throw refuse(`no plugin in it has the type '${type}', nor an ipam of that type`)
  const isIpam = ipamTypeOf(found) === type
  const isLater = at > 0 || 'prevResult' in found
  const { name = NETWORK.name } = rest
  // the checks set the version and the previous result
  const { cniVersion: _version, prevResult: _previous, ...suited } = found
  return {
    kind: kind ?? (isIpam ? 'ipam' : isLater ? 'chained' : 'interface'),
    config: { ...suited, name },
  }
}

const ipamSchema = z.looseObject({ ipam: z.looseObject({ type: z.string() }) })

/** The type of a configuration's IPAM plugin; undefined if it has none. */
export function ipamTypeOf(config: Config): string | undefined {
  return ipamSchema.safeParse(config).data?.ipam.type
}
