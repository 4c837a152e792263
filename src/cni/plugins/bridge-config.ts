import { interfaceNameRule } from '../../rules/names.ts'
import { type BridgeNetwork, gatewayOf } from '../../plan/bridge-network.ts'
import { CODE, CniError } from '../protocol/error.ts'
import { bridgeMac } from './identity.ts'
import { ipamType } from '../ipam/ipam.ts'
import type { Call } from '../protocol/plugin-type.ts'
import { type Settings, settingsOf } from '../protocol/settings.ts'

/** A bridge network, with keys that only concern the plugin. */
export interface BridgeConfig extends BridgeNetwork {
  forceAddress: boolean
  isDefaultGateway: boolean
}

/** Parses the bridge plugin's part of a call's configuration: all keys of the reference's. Throws CniError `config`. */
export function bridgeConfig(call: Call): BridgeConfig {
  const settings = settingsOf(call)
  const is = (key: string) => settings.flag(key) === true
  const isDefaultGateway = is('isDefaultGateway')
  const bridge = settings.byRule('bridge', interfaceNameRule) ?? 'cni0'
  settings.oneOf('ipMasqBackend', ['iptables', 'nftables']) // we use nftables, whatever it says
  const network = {
    name: call.network,
    bridge,
    bridgeMac: bridgeMac(bridge),
    mtu: mtuOf(settings),
    isGateway: is('isGateway') || isDefaultGateway,
    isDefaultGateway,
    forceAddress: is('forceAddress'),
    masquerade: is('ipMasq'),
    promiscuous: is('promiscMode'),
    hairpin: is('hairpinMode'),
    isolated: is('portIsolation'),
    spoofCheck: is('macspoofchk'),
    detectDuplicates: is('enabledad'),
    disabled: is('disableContainerInterface'),
    vlans: vlansOf(settings),
  }
  if (network.hairpin && network.promiscuous)
    throw settings.refuse(
      'hairpinMode',
      'cannot be combined with promiscMode: true, in which the bridge already sends every frame back',
    )
  if (network.disabled && ipamType(call.config) !== undefined)
    throw new CniError(
      CODE.config,
      'network configuration: "disableContainerInterface": true cannot be combined with ipam',
      'an interface that stays down has no use for an address: remove one of the two',
    )
  const { problem } = interfaceNameRule(gatewayOf(network))
  if (problem !== undefined && network.isGateway)
    throw new CniError(
      CODE.config,
      `network configuration: vlan: ${problem}`,
      'the gateway in a VLAN has an interface of this name: give the "bridge" a shorter name',
    )
  return network
}

/** The size of the largest packet; undefined, like 0, for that of the kernel. */
export function mtuOf(settings: Settings): number | undefined {
  return settings.whole('mtu', 0, 65535) || undefined
}

function vlansOf(settings: Settings): BridgeNetwork['vlans'] {
  const untagged = settings.whole('vlan', 0, 4094) || undefined
  const tagged = settings.list('vlanTrunk', (trunks, place) => trunkOf(trunks, place)).flat()
  const keepDefault = settings.flag('preserveDefaultVlan') ?? true
  return untagged === undefined && tagged.length === 0 ? undefined : { untagged, tagged, keepDefault }
}

/** The numbers of the VLANs of one trunk: IEEE 802.1Q has others for 0 and 4095. */
function trunkOf(trunks: Settings, place: string): { first: number; last: number }[] {
  const trunk = trunks.part(place)
  const [minID, maxID, id] = ['minID', 'maxID', 'id'].map((key) => trunk.whole(key, 1, 4094))
  if ((minID === undefined) !== (maxID === undefined) || (minID ?? id) === undefined)
    throw trunks.refuse(place, 'a trunk has an id, or a minID and a maxID')
  if (minID !== undefined && maxID !== undefined && minID > maxID)
    throw trunks.refuse(place, 'minID is larger than maxID')
  return [
    ...(minID === undefined || maxID === undefined ? [] : [{ first: minID, last: maxID }]),
    ...(id === undefined ? [] : [{ first: id, last: id }]),
  ]
}
