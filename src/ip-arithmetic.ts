import { isIPv4, isIPv6 } from 'node:net'
import { overlapCidr, parseCidr } from 'cidr-tools'
import { parseIp, stringifyIp } from 'ip-bigint'

// The libraries read anything as some address, so node:net must recognise it as one first.

/** An address with its prefix, and its subnet. */
export interface Cidr {
  /** In the kernel's own notation. */
  address: string
  prefix: number
  isSix: boolean
  /** The first and the last address of the subnet, as numbers. */
  first: bigint
  last: bigint
}

/** Whether this is an IPv6 address or prefix. */
export function isIpv6(text: string): boolean {
  return text.includes(':')
}

/** The length of an address in bits. */
export function bitsOf(isSix: boolean): number {
  return isSix ? 128 : 32
}

/** An address in the kernel's notation; undefined if it is not written in a usual one (no octal, no short forms). */
export function normalAddress(text: string): string | undefined {
  const number = numberOf(text)
  return number === undefined ? undefined : addressOf(number, isIpv6(text))
}

/** An address as a number; undefined if it is not an address. */
export function numberOf(text: string): bigint | undefined {
  if (isIPv4(text)) return parseIp(text).number
  if (!isIPv6(text) || text.includes('%')) return undefined
  const { number } = parseIp(text)
  // Unlike the library, ip(8) writes ::ffff:10.0.0.1 and ::10.0.0.1 with dots; no interface needs such an address.
  const isEmbedded = number >> 32n === 0xffffn || (number >> 32n === 0n && number > 0xffffn)
  return isEmbedded ? undefined : number
}

/** A number as an address, in the kernel's notation. */
export function addressOf(number: bigint, isSix: boolean): string {
  return stringifyIp({ number, version: isSix ? 6 : 4 })
}

/** Parses `address/prefix`; undefined if either part is wrong or missing. */
export function readCidr(text: string): Cidr | undefined {
  const [, ip = '', digits = ''] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? []
  const [address, prefix, isSix] = [normalAddress(ip), Number(digits), isIpv6(ip)]
  if (address === undefined || prefix > bitsOf(isSix)) return undefined
  const { start: first, end: last } = parseCidr(text)
  return { address, prefix, isSix, first, last }
}

/** The nth address of a subnet: (`10.22.0.0/16`, 2) gives `10.22.0.2`. Undefined if that is outside it. */
export function addressAt(subnet: string, n: number): string | undefined {
  const cidr = readCidr(subnet)
  if (!cidr || cidr.first + BigInt(n) > cidr.last) return undefined
  return addressOf(cidr.first + BigInt(n), cidr.isSix)
}

/** The subnet of an address with prefix: `10.22.0.5/16` gives `10.22.0.0/16`, and anything else ''. */
export function subnetOf(address: string): string {
  const cidr = readCidr(address)
  return cidr ? `${addressOf(cidr.first, cidr.isSix)}/${cidr.prefix}` : ''
}

/** Whether two subnets have an address in common. */
export function overlaps(a: string, b: string): boolean {
  return readCidr(a) !== undefined && readCidr(b) !== undefined && overlapCidr(a, b)
}

/** Whether an address is in a subnet. */
export function contains(subnet: string, address: string): boolean {
  return overlaps(subnet, `${address}/${bitsOf(isIpv6(address))}`)
}
