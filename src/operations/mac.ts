import { macRule } from '../rules/mac.ts'
import { byRule } from './by-rule.ts'

export const macAddress = byRule(macRule)
