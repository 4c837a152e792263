import * as z from 'zod'
import { interfaceAddressRule, ipAddressRule, subnetRule } from '../rules/ip.ts'
import { asText } from '../visible.ts'
import { byRule } from './by-rule.ts'

export const ipAddress = byRule(ipAddressRule)
export const subnet = byRule(subnetRule)
export const interfaceAddress = byRule(interfaceAddressRule)

/** A route's destination: `default` or a subnet. */
export const destination = z.union([z.literal('default'), subnet], {
  error: (issue) => `'${asText(issue.input)}' is not a destination, for example: default or 192.168.7.0/24`,
})
