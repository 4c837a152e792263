/**
 * DNS messages (RFC 1035), as little of them as a question for one IPv4 address needs. What comes in may be garbage: what
 * reads it never throws, and never reads beyond its end.
 */

/** The size of the header, in bytes (section 4.1.1). */
const HEADER = 12
/** TYPE and CLASS (sections 3.2.2 and 3.2.4). */
const A = 1
const IN = 1
/** Bits of the header's second word (section 4.1.1): response, authoritative answer, recursion desired. */
const FLAGS = { qr: 0x8000, aa: 0x0400, rd: 0x0100 }
/** Response codes (section 4.1.1), each in the place of its number. */
const RCODES = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED'] as const

/** A name read from a message: its labels in lower case, up to the root or a pointer, and the offset after it. */
interface Name {
  labels: string[]
  end: number
  /** It went on at another place of the message (section 4.1.4). */
  isCompressed: boolean
}

/** Reads a name (section 3.1): labels, each after its length, and a 0; or a pointer. Undefined where there is none. */
function readName(message: Buffer, start: number): Name | undefined {
  const labels: string[] = []
  let at = start
  while (at < message.length && at - start < 255) {
    const length = message.readUInt8(at)
    if (length === 0) return { labels, end: at + 1, isCompressed: false }
    if (length >= 0xc0) return { labels, end: at + 2, isCompressed: true }
    if (length > 63) return undefined // 01 and 10 are reserved
    labels.push(message.toString('latin1', at + 1, at + 1 + length).toLowerCase())
    at += 1 + length
  }
  return undefined
}

/** Four bytes as an address, and the other way round (section 3.4.1). */
const toAddress = (bytes: Buffer) => [...bytes].join('.')
const toBytes = (address: string) => Buffer.from(address.split('.').map(Number))

function words(...values: number[]): Buffer {
  const buffer = Buffer.alloc(2 * values.length)
  for (const [i, value] of values.entries()) buffer.writeUInt16BE(value, 2 * i)
  return buffer
}

/** A question for a name's IPv4 address, with an id of 16 bits. Undefined if that is no domain name (section 2.3.4). */
export function ask(id: number, name: string): Buffer | undefined {
  const labels = name.replace(/\.$/, '').split('.')
  if (!labels.every((label) => /^[\x21-\x7e]{1,63}$/.test(label)) || name.length > 253) return undefined
  const encoded = labels.map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label, 'latin1')]))
  return Buffer.concat([words(id, FLAGS.rd, 1, 0, 0, 0), ...encoded, Buffer.from([0]), words(A, IN)])
}

/**
 * Answers a message with what `find` knows of a name, in lower case: its IPv4 address, '' if it has none, or undefined if
 * there is no such name. Returns undefined for what wants no answer: less than a header, or itself a response.
 */
export function answer(message: Buffer, find: (name: string) => string | undefined): Buffer | undefined {
  if (message.length < HEADER) return undefined
  const [id, flags] = [message.readUInt16BE(0), message.readUInt16BE(2)]
  if ((flags & FLAGS.qr) !== 0) return undefined
  // The opcode and RD are copied, as section 4.1.1 says.
  const head = (rcode: (typeof RCODES)[number], questions: number, answers: number) =>
    words(id, FLAGS.qr | FLAGS.aa | (flags & (0x7800 | FLAGS.rd)) | RCODES.indexOf(rcode), questions, answers, 0, 0)
  if ((flags & 0x7800) !== 0) return head('NOTIMP', 0, 0)
  const name = message.readUInt16BE(4) === 1 ? readName(message, HEADER) : undefined
  if (!name || name.isCompressed || name.end + 4 > message.length) return head('FORMERR', 0, 0)
  const question = message.subarray(HEADER, name.end + 4)
  const address = find(name.labels.join('.'))
  if (address === undefined) return Buffer.concat([head('NXDOMAIN', 1, 0), question])
  const wantsIt = message.readUInt16BE(name.end) === A && message.readUInt16BE(name.end + 2) === IN
  if (!wantsIt || address === '') return Buffer.concat([head('NOERROR', 1, 0), question])
  // NAME, a pointer to the question's; TYPE; CLASS; TTL in two words, 0 s: not to be cached; RDLENGTH (section 4.1.3)
  return Buffer.concat([head('NOERROR', 1, 1), question, words(0xc000 | HEADER, A, IN, 0, 0, 4), toBytes(address)])
}

/**
 * What a response to the question with this id says: the first IPv4 address in it, or why there is none. Undefined if it
 * is no response to that question.
 */
export function readAnswer(message: Buffer, id: number): { address: string } | { refusal: string } | undefined {
  if (message.length < HEADER || message.readUInt16BE(0) !== id) return undefined
  const flags = message.readUInt16BE(2)
  if ((flags & FLAGS.qr) === 0) return undefined
  const rcode = flags & 0xf
  if (rcode !== 0) return { refusal: RCODES[rcode] ?? `response code ${rcode}` }
  let at = HEADER
  for (let left = message.readUInt16BE(4); left > 0; left--) {
    const name = readName(message, at)
    if (!name) return { refusal: 'an answer that is no DNS' }
    at = name.end + 4
  }
  for (let left = message.readUInt16BE(6); left > 0; left--) {
    const end = readName(message, at)?.end
    if (end === undefined || end + 10 > message.length) return { refusal: 'an answer that is no DNS' }
    const [type, length] = [message.readUInt16BE(end), message.readUInt16BE(end + 8)]
    at = end + 10 + length
    if (type === A && length === 4 && at <= message.length) return { address: toAddress(message.subarray(at - 4, at)) }
  }
  return { refusal: 'no IPv4 address' }
}
