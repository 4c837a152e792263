import { isIPv4 } from 'node:net'
import { AUTHORITATIVE_ANSWER, decode, encode, type Packet, RECURSION_DESIRED } from 'dns-packet'

/**
 * DNS messages (RFC 1035): a question for one IPv4 address, and answers to such questions. Input may be garbage: no function
 * here ever throws.
 */

/** The size of the header, in bytes (section 4.1.1). */
const HEADER = 12
/** The offset of the number of answers in the header. */
const ANCOUNT = 6
/** Bits of the header's second word (section 4.1.1): response, and kind of query. */
const QR = 0x8000
const OPCODE = 0x7800
/** Response codes (section 4.1.1), by number. */
const RCODES = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED'] as const
/** The longest message that we parse, in bytes: UDP has no longer ones, and chains of pointers take time to follow. */
const MAX_LENGTH = 4096

/** Parses a DNS message; undefined if it is not one. */
function parse(message: Buffer): Packet | undefined {
  if (message.length > MAX_LENGTH) return undefined
  try {
    return decode(message)
  } catch {
    return undefined
  }
}

/** A question for a name's IPv4 address, with a 16-bit id. Undefined if it is not a domain name (section 2.3.4). */
export function ask(id: number, name: string): Buffer | undefined {
  const labels = name.replace(/\.$/, '').split('.')
  if (!labels.every((label) => /^[\x21-\x7e]{1,63}$/.test(label)) || name.length > 253) return undefined
  return encode({ id, flags: RECURSION_DESIRED, questions: [{ type: 'A', name }] })
}

/**
 * Answers a question. `find` looks up a name, in lower case: its IPv4 address, '' if it has none, or undefined if there is
 * no such name. Returns undefined for a message that gets no answer: shorter than a header, or itself a response.
 */
export function answer(message: Buffer, find: (name: string) => string | undefined): Buffer | undefined {
  if (message.length < HEADER) return undefined
  const [id, asked] = [message.readUInt16BE(0), message.readUInt16BE(2)]
  if ((asked & QR) !== 0) return undefined
  const respond = (rcode: (typeof RCODES)[number], questions: Packet['questions'] = []) => {
    // Copies the opcode and RD, as section 4.1.1 requires.
    const flags = AUTHORITATIVE_ANSWER | (asked & (OPCODE | RECURSION_DESIRED)) | RCODES.indexOf(rcode)
    return encode({ type: 'response', id, flags, questions })
  }
  if ((asked & OPCODE) !== 0) return respond('NOTIMP')
  const questions = parse(message)?.questions ?? []
  const [question] = questions
  if (!question || questions.length > 1 || !isEchoed(message, question)) return respond('FORMERR')
  const address = find(question.name.toLowerCase())
  if (address === undefined) return respond('NXDOMAIN', questions)
  if (question.type !== 'A' || question.class !== 'IN' || address === '') return respond('NOERROR', questions)
  return withAddress(respond('NOERROR', questions), address)
}

/**
 * Adds an address to a response. The name is a pointer to the question (section 4.1.4); the library would repeat it. Its
 * time to live is 0 s.
 */
function withAddress(response: Buffer, address: string): Buffer {
  const record = [0xc0, HEADER, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ...address.split('.').map(Number)]
  response.writeUInt16BE(1, ANCOUNT)
  return Buffer.concat([response, Buffer.from(record)])
}

/** Whether our response would repeat the question byte for byte, which it does not if the name is compressed or not text. */
function isEchoed(message: Buffer, question: NonNullable<Packet['questions']>[number]): boolean {
  const echo = encode({ questions: [question] }).subarray(HEADER)
  return echo.equals(message.subarray(HEADER, HEADER + echo.length))
}

/**
 * Reads the response to the question with this id: the first IPv4 address in it, or why there is none. Undefined if it is
 * not a response to that question.
 */
export function readAnswer(message: Buffer, id: number): { address: string } | { refusal: string } | undefined {
  if (message.length < HEADER || message.readUInt16BE(0) !== id) return undefined
  const flags = message.readUInt16BE(2)
  if ((flags & QR) === 0) return undefined
  const rcode = flags & 0xf
  if (rcode !== 0) return { refusal: RCODES[rcode] ?? `response code ${rcode}` }
  const packet = parse(message)
  if (!packet) return { refusal: 'an answer that is not DNS' }
  for (const record of packet.answers ?? [])
    // the parser turns a truncated record into something that is not an address
    if (record.type === 'A' && isIPv4(record.data)) return { address: record.data }
  return { refusal: 'no IPv4 address' }
}
