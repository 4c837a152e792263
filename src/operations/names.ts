import {
  anyNetnsRule,
  interfaceNameRule,
  netnsNameRule,
  netnsPlaceRule,
  networkNameRule,
  ownerRule,
  ruleInterfaceRule,
} from '../rules/names.ts'
import { byRule } from './by-rule.ts'

/** The name of an interface that operations may name. */
export const interfaceName = byRule(interfaceNameRule)

/** The name of a CNI network, which becomes part of the names of tables. */
export const networkName = byRule(networkNameRule)

/** An owner, `network/container/interface`: the comment of an element of nftables. */
export const ownerName = byRule(ownerRule)

/** An interface whose name appears in rules of nftables. */
export const ruleInterface = byRule(ruleInterfaceRule)

/** The name of a network namespace that a user may create. */
export const netnsName = byRule(netnsNameRule)

/** The name of any namespace to act in, `internet` included; for the host, the namespace is left out. */
export const anyNetns = byRule(anyNetnsRule)

/** A namespace to change something in: its name, or the path of its file. */
export const netnsPlace = byRule(netnsPlaceRule)
