import { macRule } from '../rules/mac.ts'
import { byRule } from './by-rule.ts'

/** A MAC address, brought into the kernel's own notation. */
export const macAddress = byRule(macRule)
