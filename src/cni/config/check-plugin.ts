import { checkHostLocal, checkStatic } from './check-addresses.ts'
import { asObject, asString, checkKeys, checkRequired, type JsonObject } from './check-keys.ts'
import { checkTogether } from './check-together.ts'
import type { Path } from './json-source.ts'
import { CAPABILITIES, COMMON, IPAM_TYPES, lookup, RUNTIME_ONLY, TYPES } from '../protocol/keys.ts'
import type { ReportMistake } from './mistake.ts'
import { nearest } from '../../nearest.ts'

/** The position of a plugin: its path in the file, its index in the chain, and the version that the network asks for. */
export interface Position {
  path: Path
  index: number
  version: string
  /** Whether it is not in a list, and so has its own `name` and `cniVersion`. */
  isAlone: boolean
}

/** Checks a single plugin's configuration: its keys, their values, and whether they fit together. */
export function checkPlugin(
  plugin: JsonObject,
  { path, index, version, isAlone }: Position,
  report: ReportMistake,
): void {
  const type = asString(plugin['type'])
  if (type === undefined || type === '') {
    if (!isAlone) report('error', path, 'this plugin has no "type"', { fix: 'for example: "type": "bridge"' })
    return
  }
  if (/[/\\]/.test(type))
    report('error', [...path, 'type'], `"type" must be a plugin's name, not a path: ${type}`, {
      fix: 'runtimes look for the name in their plugin folders',
    })
  checkCapabilities(plugin, type, path, report)
  const known = lookup(TYPES, type)
  if (known) {
    const { does: _does, keys, required = [] } = known
    checkKeys(withoutRuntimes(plugin, path, report), { ...COMMON, ...keys }, path, type, report)
    checkRequired(plugin, required, path, type, report)
    if (known.chained && index === 0)
      report('error', [...path, 'type'], `${type} cannot be the first plugin`, {
        why: 'it works on an interface that an earlier plugin has created',
        fix: 'put it into the "plugins" of a .conflist, after bridge, for example',
      })
    if (known.needsIpam && asString(asObject(plugin['ipam'])?.['type']) === undefined)
      report('error', path, `${type} needs "ipam", which says where addresses come from`)
  } else if (lookup(IPAM_TYPES, type))
    report('error', [...path, 'type'], `${type} hands out addresses and creates no interface`, {
      fix: 'it belongs in "ipam"',
    })
  if (!isAlone)
    for (const key of ['name', 'cniVersion'])
      if (key in plugin)
        report('warning', [...path, key], `"${key}" of a plugin in a list is ignored`, {
          why: "the list's own replaces it",
          at: 'key',
        })
  checkIpam(plugin, path, version, report)
  checkTogether(type, plugin, path, report)
}

/** Reports keys that only a runtime sets, and returns the configuration without them. */
function withoutRuntimes(plugin: JsonObject, path: Path, report: ReportMistake): JsonObject {
  for (const key of RUNTIME_ONLY)
    if (key in plugin)
      report('warning', [...path, key], `"${key}" does not belong in a file`, {
        why: 'the runtime replaces it in each call',
        at: 'key',
      })
  return Object.fromEntries(Object.entries(plugin).filter(([key]) => !RUNTIME_ONLY.includes(key)))
}

function checkCapabilities(plugin: JsonObject, type: string, path: Path, report: ReportMistake): void {
  const given = asObject(plugin['capabilities']) ?? {}
  for (const name of Object.keys(given)) {
    if (CAPABILITIES.includes(name)) continue
    const near = nearest(name, CAPABILITIES)
    report('warning', [...path, 'capabilities', name], `no runtime is known to have the capability "${name}"`, {
      ...(near === undefined ? {} : { fix: `did you mean "${near}"?` }),
      at: 'key',
    })
  }
  const { needsCapability, capabilities: [first] = [] } = lookup(TYPES, type) ?? {}
  if (needsCapability && first !== undefined && given[first] !== true)
    report('warning', path, `${type} does nothing without the capability ${first}`, {
      why: 'a runtime passes only what the configuration declares',
      fix: `"capabilities": { "${first}": true }`,
    })
}

function checkIpam(plugin: JsonObject, path: Path, version: string, report: ReportMistake): void {
  const given = plugin['ipam']
  if (given === undefined || given === null) return
  const own = [...path, 'ipam']
  const ipam = asObject(given)
  if (!ipam) return report('error', own, '"ipam" must be an object { }')
  if (Object.keys(ipam).length === 0) return // layer 2 only
  const type = asString(ipam['type'])
  if (type === undefined || type === '')
    return report('error', own, '"ipam" has no "type"', {
      why: 'no address is handed out, whatever else it says',
      fix: 'for example: "type": "host-local"',
    })
  const known = lookup(IPAM_TYPES, type)
  if (!known) return
  checkKeys(ipam, known.keys, own, type, report)
  if (type === 'host-local') checkHostLocal(ipam, own, version, report)
  if (type === 'static') checkStatic(ipam, own, asObject(plugin['capabilities'])?.['ips'] === true, report)
}
