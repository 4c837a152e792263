// The bytes of netlink messages: netlink(7). Numbers are in the byte order of the machine, which is little-endian.

/** Flags of requests: include/uapi/linux/netlink.h. */
export const FLAG = {
  request: 0x1,
  ack: 0x4,
  dump: 0x300,
  /** Fail if it is already there. */
  exclusive: 0x200,
  create: 0x400,
  append: 0x800,
} as const

/** The length of a message's header: struct nlmsghdr. */
export const HEADER = 16
const ATTRIBUTE_HEADER = 4
const NESTED = 0x8000
const TYPE_MASK = 0x3fff

const aligned = (length: number) => (length + 3) & ~3

/** One byte. */
export function u8(value: number): Buffer {
  return Buffer.from([value])
}

/** 16 bits, in the byte order of the machine. */
export function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16LE(value)
  return bytes
}

/** 32 bits, in the byte order of the machine. */
export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value >>> 0)
  return bytes
}

/** 16 bits, in the byte order of the network. */
export function be16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(value)
  return bytes
}

/** 32 bits, in the byte order of the network. */
export function be32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value >>> 0)
  return bytes
}

/** A text with the zero that ends it. */
export function text(value: string): Buffer {
  return Buffer.from(`${value}\0`)
}

/** A text of an attribute, without the zero that ends it; undefined if there is no such attribute. */
export function readString(bytes: Buffer | undefined): string | undefined {
  return bytes?.toString('utf8').replace(/\0.*$/s, '')
}

/** The bytes of a MAC address. */
export function macBytes(mac: string): Buffer {
  return Buffer.from(mac.replaceAll(':', ''), 'hex')
}

/** A MAC address as it is written. */
export function readMac(bytes: Buffer): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(':')
}

/** An attribute: struct nlattr, with its padding. */
export function attribute(type: number, ...data: readonly Buffer[]): Buffer {
  const length = ATTRIBUTE_HEADER + data.reduce((sum, one) => sum + one.length, 0)
  const bytes = Buffer.alloc(aligned(length))
  bytes.writeUInt16LE(length, 0)
  bytes.writeUInt16LE(type, 2)
  let at = ATTRIBUTE_HEADER
  for (const one of data) at += one.copy(bytes, at)
  return bytes
}

/** An attribute that contains attributes. */
export function nested(type: number, ...attributes: readonly Buffer[]): Buffer {
  return attribute(type | NESTED, ...attributes)
}

/** A message; its sequence number is still 0, as the socket that sends it numbers it. */
export function message(type: number, flags: number, ...parts: readonly Buffer[]): Buffer {
  const length = HEADER + parts.reduce((sum, one) => sum + one.length, 0)
  const bytes = Buffer.alloc(aligned(length))
  bytes.writeUInt32LE(length, 0)
  bytes.writeUInt16LE(type, 4)
  bytes.writeUInt16LE(flags, 6)
  let at = HEADER
  for (const one of parts) at += one.copy(bytes, at)
  return bytes
}

/** The attributes in a piece of a message, from an offset on, in their order. */
export function attributesIn(bytes: Buffer, from = 0): { type: number; data: Buffer }[] {
  const found: { type: number; data: Buffer }[] = []
  for (let at = from; at + ATTRIBUTE_HEADER <= bytes.length;) {
    const length = bytes.readUInt16LE(at)
    if (length < ATTRIBUTE_HEADER) break
    found.push({
      type: bytes.readUInt16LE(at + 2) & TYPE_MASK,
      data: bytes.subarray(at + ATTRIBUTE_HEADER, at + length),
    })
    at += aligned(length)
  }
  return found
}

/** The attributes in a piece of a message by their type. */
export function readAttributes(bytes: Buffer | undefined, from = 0): Map<number, Buffer> {
  return new Map(bytes === undefined ? [] : attributesIn(bytes, from).map(({ type, data }) => [type, data]))
}

/** The messages in what one read returned. */
export function messagesIn(bytes: Buffer): Buffer[] {
  const found: Buffer[] = []
  for (let at = 0; at + HEADER <= bytes.length;) {
    const length = bytes.readUInt32LE(at)
    if (length < HEADER) break
    found.push(bytes.subarray(at, at + length))
    at += aligned(length)
  }
  return found
}
