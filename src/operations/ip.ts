import * as z from 'zod'
import { asText } from '../visible.ts'
import { bitsOf, normalAddress, numberOf, readCidr, subnetOf } from '../ip-arithmetic.ts'

/** An address without prefix, in the kernel's own notation. */
export const ipAddress = z.string().transform((text, ctx) => {
  const address = normalAddress(text)
  if (address !== undefined) return address
  ctx.issues.push({ code: 'custom', input: text, message: `'${text}' is not an IP address, for example: 10.22.0.1` })
  return z.NEVER
})

/** A subnet with prefix and without host bits: `10.22.0.0/16`. */
export const subnet = z.string().transform((text, ctx) => {
  const cidr = readCidr(text)
  const start = subnetOf(text)
  const problem = !cidr
    ? normalAddress(text) === undefined
      ? 'is not a subnet'
      : 'has no prefix'
    : start !== `${cidr.address}/${cidr.prefix}`
      ? `has host bits set; its subnet is ${start}`
      : undefined
  if (problem === undefined) return start
  ctx.issues.push({ code: 'custom', input: text, message: `'${text}' ${problem}, for example: 10.22.0.0/16` })
  return z.NEVER
})

/**
 * An address with prefix that an interface may have. The network address and IPv4's broadcast address are
 * refused, except in /31, /32, /127 and /128 (RFC 3021, RFC 6164).
 */
export const interfaceAddress = z.string().transform((text, ctx) => {
  const cidr = readCidr(text)
  const value = cidr && numberOf(cidr.address)
  const problem = !cidr
    ? normalAddress(text) === undefined
      ? 'is not an address with prefix'
      : 'has no prefix'
    : bitsOf(cidr.isSix) - cidr.prefix <= 1
      ? undefined
      : value === cidr.first
        ? 'is the address of the network itself, not of an interface'
        : value === cidr.last && !cidr.isSix
          ? "is the subnet's broadcast address, not of an interface"
          : undefined
  if (cidr && problem === undefined) return `${cidr.address}/${cidr.prefix}`
  ctx.issues.push({ code: 'custom', input: text, message: `'${text}' ${problem}, for example: 10.22.0.2/16` })
  return z.NEVER
})

/** Any address with prefix, as other plugins' results contain it, in the kernel's own notation. */
export const addressWithPrefix = z.string().transform((text, ctx) => {
  const cidr = readCidr(text)
  if (cidr) return `${cidr.address}/${cidr.prefix}`
  ctx.issues.push({ code: 'custom', input: text, message: `'${text}' is not an address with prefix` })
  return z.NEVER
})

/** A route's destination: `default` or a subnet. */
export const destination = z.union([z.literal('default'), subnet], {
  error: (issue) => `'${asText(issue.input)}' is not a destination, for example: default or 192.168.7.0/24`,
})
