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

export const interfaceName = byRule(interfaceNameRule)
export const networkName = byRule(networkNameRule)
export const ownerName = byRule(ownerRule)
export const ruleInterface = byRule(ruleInterfaceRule)
export const netnsName = byRule(netnsNameRule)
export const anyNetns = byRule(anyNetnsRule)
export const netnsPlace = byRule(netnsPlaceRule)
