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
  // The port's own VLAN has no tag, also where it is in a range of the trunk.
  const tagged = settings
    .list('vlanTrunk', trunkOf)
    .flat()
    .flatMap((range) => (untagged === undefined ? [range] : around(untagged, range)))
  const keepDefault = settings.flag('preserveDefaultVlan') ?? true
  return untagged === undefined && tagged.length === 0 ? undefined : { untagged, tagged, keepDefault }
}

interface VlanRange {
  first: number
  last: number
}

/** A range without one number. */
function around(vlan: number, { first, last }: VlanRange): VlanRange[] {
  if (vlan < first || last < vlan) return [{ first, last }]
  const parts = [
    { first, last: vlan - 1 },
    { first: vlan + 1, last },
  ]
  return parts.filter((range) => range.first <= range.last)
}

/** The numbers of the VLANs of one trunk: IEEE 802.1Q has others for 0 and 4095. */
function trunkOf(trunks: Settings, place: string): VlanRange[] {
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
