import * as z from 'zod'
import { interfaceAddressRule, ipAddressRule, subnetRule } from '../rules/ip.ts'
import { asText } from '../visible.ts'
import { byRule } from './by-rule.ts'

/** An address without a prefix, brought into the kernel's own notation. */
export const ipAddress = byRule(ipAddressRule)

/** A subnet with its prefix and without host bits: `10.22.0.0/16`. */
export const subnet = byRule(subnetRule)

/** An address with its prefix that an interface may have: `10.22.0.2/16`. */
export const interfaceAddress = byRule(interfaceAddressRule)

/** A route's destination: `default` or a subnet. */
export const destination = z.union([z.literal('default'), subnet], {
  error: (issue) => `'${asText(issue.input)}' is not a destination, for example: default or 192.168.7.0/24`,
})
