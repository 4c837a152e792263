import { isIPv6 } from 'node:net'
import { parseIp, stringifyIp } from 'ip-bigint'

// The library reads anything as some address, so it must be recognised as one first. IPv4 needs neither: loading them takes a
// CNI plugin as long as a third of its work.

/** An IPv4 address, without leading zeros, which some take for octal. */
const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/

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
  if (IPV4.test(text)) return text.split('.').reduce((number, byte) => number * 256n + BigInt(byte), 0n)
  if (!isIpv6(text) || !isIPv6(text) || text.includes('%')) return undefined
  const { number } = parseIp(text)
  // Unlike the library, ip(8) writes ::ffff:10.0.0.1 and ::10.0.0.1 with dots; no interface needs such an address.
  const isEmbedded = number >> 32n === 0xffffn || (number >> 32n === 0n && number > 0xffffn)
  return isEmbedded ? undefined : number
}

/** A number as an address, in the kernel's notation. */
export function addressOf(number: bigint, isSix: boolean): string {
  return isSix
    ? stringifyIp({ number, version: 6 })
    : [24n, 16n, 8n, 0n].map((shift) => (number >> shift) & 255n).join('.')
}

/** Parses `address/prefix`; undefined if either part is wrong or missing. */
export function readCidr(text: string): Cidr | undefined {
  const [, ip = '', digits = ''] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? []
  const [number, prefix, isSix] = [numberOf(ip), Number(digits), isIpv6(ip)]
  if (number === undefined || prefix > bitsOf(isSix)) return undefined
  const size = 1n << BigInt(bitsOf(isSix) - prefix)
  const first = (number / size) * size
  return { address: addressOf(number, isSix), prefix, isSix, first, last: first + size - 1n }
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
  const [one, two] = [readCidr(a), readCidr(b)]
  return one !== undefined && two?.isSix === one.isSix && one.first <= two.last && two.first <= one.last
}

/** Whether an address is in a subnet. */
export function contains(subnet: string, address: string): boolean {
  return overlaps(subnet, `${address}/${bitsOf(isIpv6(address))}`)
}
