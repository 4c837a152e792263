import ipaddr from 'ipaddr.js'
import * as z from 'zod'
import { HOST, INTERNET } from '../state/state.ts'

// A command parses each thing once or twice: to compile a parser for it first costs more than that saves.
z.config({ jitless: true })

/**
 * An interface name as the kernel accepts it (net/core/dev.c, dev_valid_name): 1 to 15 bytes, not
 * `.` or `..`, no `/`, `:` or whitespace. Quotes, `#` and `\` are refused because `ip -batch` reads them as its own
 * (`a#b` would be `a` and a comment), `%` because the kernel turns `a%d` into `a0`;
 * `all` and `default` because sysctl means something else by them.
 */
export const interfaceName = z.string().check((ctx) => {
  const name = ctx.value
  const rule =
    name === ''
      ? 'must not be empty'
      : Buffer.byteLength(name) > 15
        ? `is ${Buffer.byteLength(name)} bytes long; the kernel allows 15`
        : name === '.' || name === '..'
          ? 'must not be . or ..'
          : /[\s/:%#"'\\]/.test(name)
            ? 'must not contain a space, quote or any of / : % # \\'
            : name.startsWith('-')
              ? 'must not begin with - (it would read as an option)'
              : /[^\x21-\x7e]/.test(name)
                ? 'must be printable ASCII'
                : name === 'all' || name === 'default'
                  ? 'is taken: sysctl means every interface by it'
                  : undefined
  if (rule)
    ctx.issues.push({ code: 'custom', input: name, message: `interface name '${name}' ${rule}, for example: veth-red` })
})

/** The grammar of CNI container ids and network names (CNI spec 1.1.0, "Parameters"). */
const identifier = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/

function identifierOf(what: string, longest: number, example: string, reserved: readonly string[] = []) {
  return z.string().check((ctx) => {
    const name = ctx.value
    const rule = reserved.includes(name)
      ? 'is reserved'
      : /^\d+$/.test(name)
        ? 'must not be a number, which ip takes for a process id'
        : !identifier.test(name)
          ? 'must begin with a letter or digit and contain only letters, digits, _ . -'
          : name.length > longest
            ? `is ${name.length} characters long; ${longest} are allowed`
            : undefined
    if (rule)
      ctx.issues.push({ code: 'custom', input: name, message: `${what} '${name}' ${rule}, for example: ${example}` })
  })
}

/** The name of a CNI network, as it becomes a part of the names of tables. */
export const networkName = z.string().regex(identifier, {
  error: (issue) =>
    `'${String(issue.input)}' is not a network name: it must begin with a letter or digit and contain only letters, digits, _ . -`,
})

/** Whose something is, as the comment of an element of nftables, which holds 128 bytes and stands in quotes. */
export const ownerName = z.string().regex(/^[!#-[\]-~]{1,128}$/, {
  error: (issue) => `'${String(issue.input)}' is not an owner, for example: mynet/web-1/eth0`,
})

/** An interface as rules of nftables name it, and tables that are called after it: they read other signs as their own. */
export const ruleInterface = interfaceName.refine((name) => /^[\w.-]+$/.test(name), {
  error: (issue) => `interface name '${String(issue.input)}' must be of letters, digits, _ . -, for example: veth-red`,
})

/** The name of a network namespace that a user may create. */
export const netnsName = identifierOf('namespace name', 64, 'red', [HOST, INTERNET])
/** A namespace in which something happens: any that exists, `internet` included; `host` is written by leaving it out. */
export const anyNetns = identifierOf('namespace name', 64, 'red', [HOST])

/** The file of a network namespace, for one that has no name: `/proc/42/ns/net`. */
const netnsPath = z.string().regex(/^\/[^\s"'#\\]+$/)

/** A namespace by its name, or by the path of its file. */
export const netnsPlace = z.union([netnsPath, anyNetns], {
  error: (issue) =>
    anyNetns.safeParse(issue.input).error?.issues[0]?.message ?? `'${String(issue.input)}' is no namespace`,
})

/** A namespace's name, if its file is where `ip netns` has it; else its path. */
export function netnsOf(path: string): string {
  const [, name] = /^(?:\/var)?\/run\/netns\/([^/]+)$/.exec(path) ?? []
  return name !== undefined && anyNetns.safeParse(name).success ? name : path
}

type Ip = ipaddr.IPv4 | ipaddr.IPv6

/** Parses an address; undefined unless it is one in its usual notation (no octal, no short forms). */
function parseIp(text: string): Ip | undefined {
  if (text.includes('%')) return undefined
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return ipaddr.IPv4.parse(text)
  if (!text.includes(':') || !ipaddr.IPv6.isValid(text)) return undefined
  const ip = ipaddr.IPv6.parse(text)
  // The kernel writes ::ffff:10.0.0.1 in another way than it is parsed here, and no interface needs such an address.
  return ip.isIPv4MappedAddress() ? undefined : ip
}

/** Parses `address/prefix`; undefined if either part is wrong or missing. */
function parseCidr(text: string): { ip: Ip; prefix: number } | undefined {
  const [, address = '', digits = ''] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? []
  const ip = parseIp(address)
  const prefix = Number(digits)
  return ip && prefix <= bitsOf(ip) ? { ip, prefix } : undefined
}

function bitsOf(ip: Ip): number {
  return ip.kind() === 'ipv4' ? 32 : 128
}

function toNumber(ip: Ip): bigint {
  return BigInt(`0x${Buffer.from(ip.toByteArray()).toString('hex')}`)
}

function fromNumber(value: bigint, like: Ip): string {
  const digits = bitsOf(like) / 4
  return ipaddr.fromByteArray([...Buffer.from(value.toString(16).padStart(digits, '0'), 'hex')]).toString()
}

/** First and last address of a prefix, as numbers. */
function rangeOf(text: string): { first: bigint; last: bigint; bits: number; prefix: number; ip: Ip } | undefined {
  const cidr = parseCidr(text)
  if (!cidr) return undefined
  const bits = bitsOf(cidr.ip)
  const size = 1n << BigInt(bits - cidr.prefix)
  const first = (toNumber(cidr.ip) / size) * size
  return { first, last: first + size - 1n, bits, ...cidr }
}

/** The n-th address of a subnet: (`10.22.0.0/16`, 2) gives `10.22.0.2`. Undefined when it lies outside. */
export function addressAt(subnet: string, n: number): string | undefined {
  const range = rangeOf(subnet)
  if (!range || range.first + BigInt(n) > range.last) return undefined
  return fromNumber(range.first + BigInt(n), range.ip)
}

/** The subnet in which an address with prefix lies: `10.22.0.5/16` gives `10.22.0.0/16`; '' if it is none. */
export function subnetOf(address: string): string {
  const range = rangeOf(address)
  return range ? `${fromNumber(range.first, range.ip)}/${range.prefix}` : ''
}

/** Whether two prefixes have an address in common. */
export function overlaps(a: string, b: string): boolean {
  const [x, y] = [rangeOf(a), rangeOf(b)]
  return x !== undefined && y !== undefined && x.bits === y.bits && x.first <= y.last && y.first <= x.last
}

/** Whether an address lies in a subnet. */
export function contains(subnet: string, address: string): boolean {
  return overlaps(subnet, `${address}/${address.includes(':') ? 128 : 32}`)
}

/** An address as a number; undefined if it is none. */
export function numberOf(address: string): bigint | undefined {
  const ip = parseIp(address)
  return ip && toNumber(ip)
}

/** The address that a number is, in the kernel's own notation. IPv4 by hand: a pool may have to name 60,000 of them. */
export function addressOf(value: bigint, isSix: boolean): string {
  if (isSix) return fromNumber(value, ipaddr.IPv6.parse('::'))
  const n = Number(value)
  return `${n >>> 24}.${(n >>> 16) & 255}.${(n >>> 8) & 255}.${n & 255}`
}

/** Whether this is an IPv6 address or prefix. */
export function isIpv6(text: string): boolean {
  return text.includes(':')
}

/** An address without prefix, in the kernel's own notation. */
export const ipAddress = z.string().transform((text, ctx) => {
  const ip = parseIp(text)
  if (ip) return ip.toString()
  ctx.issues.push({ code: 'custom', input: text, message: `'${text}' is not an IP address, for example: 10.22.0.1` })
  return z.NEVER
})

/** A subnet with prefix and without host bits: `10.22.0.0/16`. */
export const subnet = z.string().transform((text, ctx) => {
  const range = rangeOf(text)
  const start = range && `${fromNumber(range.first, range.ip)}/${range.prefix}`
  const problem = !range
    ? parseIp(text)
      ? 'has no prefix'
      : 'is not a subnet'
    : start !== `${range.ip.toString()}/${range.prefix}`
      ? `has host bits set; its subnet is ${start}`
      : undefined
  if (start && !problem) return start
  ctx.issues.push({ code: 'custom', input: text, message: `'${text}' ${problem}, for example: 10.22.0.0/16` })
  return z.NEVER
})

/**
 * An address with prefix that an interface may have. The network address and IPv4's broadcast address are
 * refused, except in /31, /32, /127 and /128 (RFC 3021, RFC 6164).
 */
export const interfaceAddress = z.string().transform((text, ctx) => {
  const range = rangeOf(text)
  const value = range && toNumber(range.ip)
  const problem = !range
    ? parseIp(text)
      ? 'has no prefix'
      : 'is not an address with prefix'
    : range.bits - range.prefix <= 1
      ? undefined
      : value === range.first
        ? 'is the address of the network itself, not of an interface'
        : value === range.last && range.bits === 32
          ? "is the subnet's broadcast address, not of an interface"
          : undefined
  if (range && !problem) return `${range.ip.toString()}/${range.prefix}`
  ctx.issues.push({ code: 'custom', input: text, message: `'${text}' ${problem}, for example: 10.22.0.2/16` })
  return z.NEVER
})

/** Any address with prefix, as results of others have it, in the kernel's own notation. */
export const addressWithPrefix = z.string().transform((text, ctx) => {
  const cidr = parseCidr(text)
  if (cidr) return `${cidr.ip.toString()}/${cidr.prefix}`
  ctx.issues.push({ code: 'custom', input: text, message: `'${text}' is not an address with prefix` })
  return z.NEVER
})

/** A route's destination: `default` or a subnet. */
export const destination = z.union([z.literal('default'), subnet], {
  error: (issue) => `'${String(issue.input)}' is not a destination, for example: default or 192.168.7.0/24`,
})

/** A MAC address, in the kernel's own notation. */
export const macAddress = z
  .string()
  .regex(/^([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}$/, {
    error: (issue) => `'${String(issue.input)}' is not a MAC address, for example: 02:00:00:00:00:01`,
  })
  .transform((text) => text.toLowerCase())

/** A MAC address that an interface may have: of no group (IEEE 802: bit 0 of the first byte), and not all zeros. */
export const ownMac = macAddress.refine((mac) => parseInt(mac.slice(0, 2), 16) % 2 === 0 && /[1-9a-f]/.test(mac), {
  error: (issue) =>
    `'${String(issue.input)}' is not the MAC address of one interface: its first byte must be even, for example: 02:00:00:00:00:01`,
})

/** A yes or no of a lab file, where every scalar is text. */
export const yesOrNo = z.stringbool({
  truthy: ['true', 'yes'],
  falsy: ['false', 'no'],
  error: (issue) => `'${String(issue.input)}' is neither true nor false`,
})

/** A whole number, which a lab file has as text. */
export const wholeNumber = z.union([z.int(), z.string().regex(/^\d+$/).transform(Number)], {
  error: (issue) => `'${String(issue.input)}' is not a whole number`,
})

/** A yes or no of JSON or of a lab file. */
export const flag = z.boolean().or(yesOrNo)

/** The number of a VLAN (IEEE 802.1Q: 0 and 4095 mean something else). */
export const vlanNumber = wholeNumber.pipe(z.int().min(1).max(4094))
