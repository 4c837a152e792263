import * as z from 'zod'
import { asText } from '../visible.ts'

/** A MAC address, in the kernel's own notation. */
export const macAddress = z
  .string()
  .regex(/^([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}$/, {
    error: (issue) => `'${asText(issue.input)}' is not a MAC address, for example: 02:00:00:00:00:01`,
  })
  .transform((text) => text.toLowerCase())

/** A MAC address that an interface may have: not a group address (IEEE 802: bit 0 of the first byte), and not all zeros. */
export const ownMac = macAddress.refine((mac) => parseInt(mac.slice(0, 2), 16) % 2 === 0 && /[1-9a-f]/.test(mac), {
  error: (issue) =>
    `'${asText(issue.input)}' is not the MAC address of one interface: its first byte must be even, for example: 02:00:00:00:00:01`,
})
