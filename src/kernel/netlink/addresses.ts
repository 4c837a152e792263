import { addressOf, isIpv6, numberOf, readCidr } from '../../ip-arithmetic.ts'

/** Families of addresses: include/linux/socket.h. */
export const AF = { unspecified: 0, inet: 2, bridge: 7, inet6: 10 } as const

/** An address of IP, with the length of its prefix: whole if none is written. */
export interface Prefix {
  family: number
  bytes: Buffer
  length: number
}

/** Reads `10.22.0.2/16` or `10.22.0.2`, of IPv4 or IPv6; undefined if it is neither. */
export function readPrefix(words: string): Prefix | undefined {
  const [address = '', written, rest] = words.split('/')
  const isSix = isIpv6(address)
  const [number, whole] = [numberOf(address), isSix ? 128 : 32]
  const length = written === undefined ? whole : /^\d{1,3}$/.test(written) ? Number(written) : Number.NaN
  if (number === undefined || rest !== undefined || !(length <= whole) || !readCidr(`${address}/${length}`))
    return undefined
  const bytes = Buffer.from(number.toString(16).padStart(whole / 4, '0'), 'hex')
  return { family: isSix ? AF.inet6 : AF.inet, bytes, length }
}

/** An address as ip(8) prints it. */
export function addressIn(bytes: Buffer): string {
  return bytes.length === 4 ? bytes.join('.') : addressOf(BigInt(`0x${bytes.toString('hex')}`), true)
}
