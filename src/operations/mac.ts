import { macRule, ownMacRule } from '../rules/mac.ts'
import { byRule } from './by-rule.ts'

export const macAddress = byRule(macRule)
export const ownMac = byRule(ownMacRule)
