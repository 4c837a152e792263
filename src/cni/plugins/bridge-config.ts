import * as z from 'zod'
import { interfaceName } from '../../operations/names.ts'
import { vlanNumber } from '../../operations/scalars.ts'
import { type BridgeNetwork, gatewayOf } from '../../plan/bridge-network.ts'
import { CODE, CniError } from '../protocol/error.ts'
import { bridgeMac } from './identity.ts'
import { ipamType } from '../ipam/ipam.ts'
import { parseConfig } from '../protocol/parse-config.ts'
import type { Call } from '../protocol/plugin-type.ts'

const yes = z
  .boolean()
  .nullish()
  .transform((given) => given === true)

/** All keys of the reference's bridge plugin. Unknown keys are tolerated. */
const schema = z
  .object({
    bridge: z
      .string()
      .nullish()
      .transform((name) => (name === undefined || name === null || name === '' ? 'cni0' : name))
      .pipe(interfaceName),
    isGateway: yes,
    isDefaultGateway: yes,
    forceAddress: yes,
    ipMasq: yes,
    ipMasqBackend: z.enum(['iptables', 'nftables', '']).nullish(),
    mtu: z.int().min(0).max(65535).nullish(),
    hairpinMode: yes,
    promiscMode: yes,
    vlan: z.int().min(0).max(4094).nullish(),
    vlanTrunk: z
      .array(
        z
          .object({ minID: vlanNumber.optional(), maxID: vlanNumber.optional(), id: vlanNumber.optional() })
          .refine(
            ({ minID, maxID, id }) => (minID === undefined) === (maxID === undefined) && (minID ?? id) !== undefined,
            {
              error: 'a trunk has an id, or a minID and a maxID',
            },
          )
          .refine(({ minID = 0, maxID = 0 }) => minID <= maxID, { error: 'minID is larger than maxID' }),
      )
      .nullish(),
    preserveDefaultVlan: z.boolean().nullish(),
    macspoofchk: yes,
    enabledad: yes,
    disableContainerInterface: yes,
    portIsolation: yes,
  })
  .refine(({ hairpinMode, promiscMode }) => !(hairpinMode && promiscMode), {
    error: 'cannot be combined with promiscMode: true, in which the bridge already sends every frame back',
    path: ['hairpinMode'],
  })

/** A bridge network, with keys that only concern the plugin. */
export interface BridgeConfig extends BridgeNetwork {
  forceAddress: boolean
  isDefaultGateway: boolean
}

/** Parses the bridge plugin's part of a call's configuration. Throws CniError `config`. */
export function bridgeConfig(call: Call): BridgeConfig {
  const config = parseConfig(schema, call.config)
  if (config.disableContainerInterface && ipamType(call.config) !== undefined)
    throw new CniError(
      CODE.config,
      'network configuration: "disableContainerInterface": true cannot be combined with ipam',
      'an interface that stays down has no use for an address: remove one of the two',
    )
  const vlan = config.vlan ?? 0
  // The port's own VLAN has no tag, also where it is in a range of the trunk.
  const around = ({ first, last }: { first: number; last: number }) =>
    vlan < first || last < vlan
      ? [{ first, last }]
      : [
          { first, last: vlan - 1 },
          { first: vlan + 1, last },
        ].filter((range) => range.first <= range.last)
  const tagged = (config.vlanTrunk ?? [])
    .flatMap(({ minID, maxID, id }) => [
      ...(minID === undefined || maxID === undefined ? [] : [{ first: minID, last: maxID }]),
      ...(id === undefined ? [] : [{ first: id, last: id }]),
    ])
    .flatMap(around)
  const network = {
    name: call.network,
    bridge: config.bridge,
    bridgeMac: bridgeMac(config.bridge),
    mtu: config.mtu === 0 ? undefined : (config.mtu ?? undefined),
    isGateway: config.isGateway || config.isDefaultGateway,
    isDefaultGateway: config.isDefaultGateway,
    forceAddress: config.forceAddress,
    masquerade: config.ipMasq,
    promiscuous: config.promiscMode,
    hairpin: config.hairpinMode,
    isolated: config.portIsolation,
    spoofCheck: config.macspoofchk,
    detectDuplicates: config.enabledad,
    disabled: config.disableContainerInterface,
    vlans:
      vlan === 0 && tagged.length === 0
        ? undefined
        : { untagged: vlan === 0 ? undefined : vlan, tagged, keepDefault: config.preserveDefaultVlan ?? true },
  }
  const { error } = interfaceName.safeParse(gatewayOf(network))
  if (error && network.isGateway)
    throw new CniError(
      CODE.config,
      `network configuration: vlan: ${error.issues[0]?.message ?? ''}`,
      'the gateway in a VLAN has an interface of this name: give the "bridge" a shorter name',
    )
  return network
}
