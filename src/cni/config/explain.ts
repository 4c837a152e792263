import { rangeSets } from './addresses.ts'
import { asList, asObject, asString, type JsonObject } from './check-keys.ts'
import { IPAM_TYPES, lookup, OTHERS, TYPES } from '../protocol/keys.ts'

/** A plugin of a network, in a few words: what its type does, and what its keys mean. */
export interface PluginExplanation {
  type: string
  does: string
  /** `bridge cni0`, `10.22.0.0/16 by host-local`, … */
  settings: readonly string[]
}

/** Explains a plugin's configuration. */
export function explain(config: JsonObject): PluginExplanation {
  const type = asString(config['type']) ?? '?'
  const does = lookup(TYPES, type)?.does ?? lookup(OTHERS, type) ?? 'an unknown plugin'
  return { type, does, settings: [...own(type, config), ...common(config), ...ofIpam(config)] }
}

function own(type: string, config: JsonObject): string[] {
  const text = (key: string) => asString(config[key]) || undefined
  const is = (key: string) => config[key] === true
  const labelled = (word: string, value: string | undefined) => (value === undefined ? [] : [`${word} ${value}`])
  const number = (word: string, key: string) =>
    typeof config[key] === 'number' && config[key] > 0 ? [`${word} ${config[key]}`] : []
  const gateway = is('isDefaultGateway')
    ? ["the bridge is the containers' default gateway"]
    : is('isGateway')
      ? ['the bridge is their gateway']
      : []
  return [
    ...labelled('bridge', type === 'bridge' ? (text('bridge') ?? 'cni0') : undefined),
    ...(type === 'bridge' ? gateway : []),
    ...(is('ipMasq') ? ["masquerades behind the host's address"] : []),
    ...labelled('on', text('master')),
    ...labelled('mode', text('mode')),
    ...labelled('device', text('device')),
    ...number('VLAN', type === 'vlan' ? 'vlanId' : 'vlan'),
    ...number('MTU', 'mtu'),
    ...(is('hairpinMode') ? ['hairpin: a container reaches itself by its service'] : []),
    ...(is('portIsolation') ? ['containers cannot reach each other'] : []),
    ...labelled('policy', text('ingressPolicy')),
    ...labelled('VRF', text('vrfname')),
    ...Object.entries(asObject(config['sysctl']) ?? {}).map(([key, value]) => `${key}=${String(value)}`),
  ]
}

function common(config: JsonObject): string[] {
  const asked = Object.entries(asObject(config['capabilities']) ?? {}).filter(([, isOn]) => isOn === true)
  return asked.length === 0 ? [] : [`asks the runtime for ${asked.map(([name]) => name).join(', ')}`]
}

function ofIpam(config: JsonObject): string[] {
  const ipam = asObject(config['ipam'])
  const type = asString(ipam?.['type'])
  if (!ipam || type === undefined) return config['ipam'] === undefined ? [] : ['no addresses']
  const subnets = rangeSets(ipam, [])
    .flat()
    .map(({ subnet, rangeStart, rangeEnd }) =>
      rangeStart === undefined && rangeEnd === undefined ? subnet : `${subnet} (${rangeStart ?? ''}–${rangeEnd ?? ''})`,
    )
  const fixed = asList(ipam['addresses']).flatMap((item) => asString(asObject(item)?.['address']) ?? [])
  const given = [...subnets, ...fixed].join(', ')
  const routes = asList(ipam['routes']).flatMap((route) => asString(asObject(route)?.['dst']) ?? [])
  return [
    given === ''
      ? `addresses by ${type}: ${lookup(IPAM_TYPES, type)?.does ?? 'unknown'}`
      : `addresses of ${given} by ${type}`,
    ...(routes.length === 0 ? [] : [`routes to ${routes.join(', ')}`]),
  ]
}
