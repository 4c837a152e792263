import { bitsOf, type Cidr, normalAddress, numberOf, readCidr, subnetOf } from '../ip-arithmetic.ts'
import type { Ruling } from './rule.ts'

/** An address without prefix, in the kernel's own notation. */
export function ipAddressRule(text: string): Ruling {
  const value = normalAddress(text)
  return value === undefined ? { problem: `'${text}' is not an IP address, for example: 10.22.0.1` } : { value }
}

/** A subnet with prefix and without host bits: `10.22.0.0/16`. */
export function subnetRule(text: string): Ruling {
  const cidr = readCidr(text)
  const value = subnetOf(text)
  const problem = !cidr
    ? normalAddress(text) === undefined
      ? 'is not a subnet'
      : 'has no prefix'
    : value !== written(cidr)
      ? `has host bits set; its subnet is ${value}`
      : undefined
  return problem === undefined ? { value } : { problem: `'${text}' ${problem}, for example: 10.22.0.0/16` }
}

/**
 * An address with prefix that an interface may have. The network address and IPv4's broadcast address are
 * refused, except in /31, /32, /127 and /128 (RFC 3021, RFC 6164).
 */
export function interfaceAddressRule(text: string): Ruling {
  const cidr = readCidr(text)
  const problem = cidr
    ? notOfAnInterface(cidr)
    : normalAddress(text) === undefined
      ? 'is not an address with prefix'
      : 'has no prefix'
  return cidr && problem === undefined
    ? { value: written(cidr) }
    : { problem: `'${text}' ${problem}, for example: 10.22.0.2/16` }
}

function notOfAnInterface({ address, prefix, isSix, first, last }: Cidr): string | undefined {
  const value = numberOf(address)
  if (bitsOf(isSix) - prefix <= 1) return undefined
  if (value === first) return 'is the address of the network itself, not of an interface'
  return value === last && !isSix ? "is the subnet's broadcast address, not of an interface" : undefined
}

/** Any address with prefix, as other plugins' results contain it, in the kernel's own notation. */
export function addressWithPrefixRule(text: string): Ruling {
  const cidr = readCidr(text)
  return cidr ? { value: written(cidr) } : { problem: `'${text}' is not an address with prefix` }
}

function written({ address, prefix }: Cidr): string {
  return `${address}/${prefix}`
}
