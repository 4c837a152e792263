import { ipAddressRule } from '../../rules/ip.ts'
import type { PortForwards } from '../../plan/port-forwards.ts'
import { CODE, CniError } from '../protocol/error.ts'
import type { Call } from '../protocol/plugin-type.ts'
import { type Settings, settingsOf } from '../protocol/settings.ts'

/**
 * Parses the portmap plugin's part of a call's configuration: all keys of the reference's, except those about iptables. Throws
 * CniError `config`, or `unsupportedField`.
 */
export function portmapConfig(call: Call): PortForwards {
  const settings = settingsOf(call)
  const masquerade = settings.flag('snat') !== false
  const masqueradeAll = settings.flag('masqAll') === true
  const mappings = settings.part('runtimeConfig').list('portMappings', (items, place) => mappingOf(items.part(place)))
  for (const key of ['conditionsV4', 'conditionsV6']) {
    const conditions = settings.texts(key)
    if (conditions.length > 0)
      throw new CniError(
        CODE.unsupportedField,
        `network configuration: "${key}": ${JSON.stringify(conditions)} is not supported`,
        'these are matches of iptables, but this plugin uses nftables: remove the key, and limit the mappings with "hostIP"',
      )
  }
  return { mappings, masquerade, masqueradeAll }
}

function mappingOf(mapping: Settings): PortForwards['mappings'][number] {
  const port = (key: string) => mapping.required(key, mapping.whole(key, 1, 65535))
  const hostIP = mapping.byRule('hostIP', ipAddressRule) ?? ''
  if (hostIP === '::1')
    throw mapping.refuse('hostIP', 'cannot be ::1, which the kernel does not forward: use 127.0.0.1')
  return { hostPort: port('hostPort'), containerPort: port('containerPort'), protocol: protocolOf(mapping), hostIP }
}

function protocolOf(mapping: Settings): 'tcp' | 'udp' | 'sctp' {
  const written = mapping.text('protocol') ?? 'tcp'
  const protocol = (['tcp', 'udp', 'sctp'] as const).find((one) => one === written.toLowerCase())
  if (protocol === undefined) throw mapping.refuse('protocol', `'${written}' is not one of tcp, udp, sctp`)
  return protocol
}
