import type { Ruling } from './rule.ts'

/** A MAC address, in the kernel's own notation. */
export function macRule(text: string): Ruling {
  return /^([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}$/.test(text)
    ? { value: text.toLowerCase() }
    : { problem: `'${text}' is not a MAC address, for example: 02:00:00:00:00:01` }
}

/** A MAC address that an interface may have: not a group address (IEEE 802: bit 0 of the first byte), and not all zeros. */
export function ownMacRule(text: string): Ruling {
  const ruling = macRule(text)
  const { value } = ruling
  return value === undefined || (parseInt(value.slice(0, 2), 16) % 2 === 0 && /[1-9a-f]/.test(value))
    ? ruling
    : {
        problem: `'${value}' is not the MAC address of one interface: its first byte must be even, for example: 02:00:00:00:00:01`,
      }
}
