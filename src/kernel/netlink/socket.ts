import { closeSync } from 'node:fs'
import { CnilabError } from '../../errors.ts'
import { once } from '../../once.ts'
import type { Calls } from './calls.ts'
import { HEADER, messagesIn, readAttributes, readString } from './message.ts'

/** The kernel's parts that speak netlink: netlink(7). */
export const PROTOCOL = { route: 0, netfilter: 12 } as const

const [AF_NETLINK, SOCK_RAW, SOCK_CLOEXEC] = [16, 3, 0o2_000_000]
const [SOL_SOCKET, SO_RCVTIMEO, SO_SNDBUF, SO_RCVBUF] = [1, 20, 7, 8]
const [SOL_NETLINK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK] = [270, 11, 12]

/** Types of messages that are part of netlink itself. */
const [ERROR, DONE] = [2, 3]
/** Flags of an answer: what it lists changed meanwhile; its error has attributes, after the request or in its place. */
const [INTERRUPTED, CAPPED, HAS_ATTRIBUTES] = [0x10, 0x100, 0x200]
/** The attribute of an error that explains it in words. */
const WORDS = 1
/** A signal came meanwhile. */
const EINTR = 4

/** How long the kernel may take for an answer, in seconds: it deletes hundreds of cables with a namespace. */
const PATIENCE = 60
/** How often to list again what changes meanwhile: on a busy host something changes often, and mostly what does not matter here. */
const TRIES = 10

/** What the kernel says against a request: the error number, and the words for it, its own if it has some. */
export interface Refusal {
  errno: number
  words: string
}

/** The answer to one request. */
interface Answer {
  refusal: Refusal | undefined
  /** The messages that it asked for. */
  messages: Buffer[]
  /** Whether what it lists changed meanwhile, so that something may be missing. */
  isInterrupted: boolean
}

/** Into which all sockets receive, one after the other: what they receive is copied at once. */
const received = once(() => Buffer.alloc(1 << 16))

/** A netlink socket. It stays in the network namespace in which it was opened. */
export interface NetlinkSocket {
  /**
   * Sends requests at once, and returns an answer for each, in their order. Every request must ask for an acknowledgement,
   * unless it lists something; the marks around a transaction of nftables get none, and have no answer.
   */
  ask: (requests: readonly Buffer[]) => Answer[]
  /** Lists something; if it changes meanwhile, lists it again. Throws CnilabError `state` if the kernel refuses. */
  list: (request: Buffer) => Buffer[]
  close: () => void
}

/** Opens a netlink socket in the network namespace in which this thread is. Throws CnilabError `machine` if the kernel refuses. */
export function openSocket(calls: Calls, protocol: number): NetlinkSocket {
  const fd = calls.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol)
  if (fd < 0) throw new CnilabError('machine', `could not open a netlink socket: ${calls.strerror(-fd)}`)
  const set = (level: number, name: number, ...numbers: number[]) => {
    const value = Buffer.alloc(4 * numbers.length)
    for (const [i, number] of numbers.entries()) value.writeInt32LE(number, 4 * i)
    calls.setsockopt(fd, level, name, value) // an old kernel explains less, and lists more
  }
  set(SOL_SOCKET, SO_RCVTIMEO, PATIENCE, 0, 0, 0)
  set(SOL_SOCKET, SO_SNDBUF, 1 << 20)
  set(SOL_SOCKET, SO_RCVBUF, 1 << 20)
  set(SOL_NETLINK, NETLINK_EXT_ACK, 1)
  set(SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1)
  let sequence = 0

  const receive = (): Buffer[] => {
    for (;;) {
      const length = calls.recv(fd, received())
      if (length === -EINTR) continue
      if (length < 0) throw new CnilabError('state', `the kernel did not answer: ${calls.strerror(-length)}`)
      return messagesIn(Buffer.from(received().subarray(0, length)))
    }
  }
  const ask = (requests: readonly Buffer[]): Answer[] => {
    const answers = new Map<number, Answer & { isMark: boolean; isOver: boolean }>()
    for (const request of requests) {
      request.writeUInt32LE((sequence += 1), 8)
      const isMark = protocol === PROTOCOL.netfilter && isBatchMark(request)
      answers.set(sequence, { refusal: undefined, messages: [], isInterrupted: false, isMark, isOver: isMark })
    }
    const sent = calls.send(fd, requests.length === 1 && requests[0] ? requests[0] : Buffer.concat(requests))
    if (sent < 0) throw new CnilabError('state', `could not ask the kernel: ${calls.strerror(-sent)}`)
    while (![...answers.values()].every(({ isOver }) => isOver))
      for (const one of receive()) {
        const answer = answers.get(one.readUInt32LE(8))
        if (!answer) continue // of an earlier request
        const [type, flags] = [one.readUInt16LE(4), one.readUInt16LE(6)]
        if (type === ERROR || type === DONE) {
          answer.isOver = true
          answer.refusal ??= refusalIn(calls, one, type, flags)
          // A transaction that failed as a whole: there are no further answers.
          if (answer.isMark && answer.refusal) for (const other of answers.values()) fail(other, answer.refusal)
        } else {
          answer.messages.push(one)
        }
        if ((flags & INTERRUPTED) !== 0) answer.isInterrupted = true
      }
    return [...answers.values()].filter(({ isMark, refusal }) => !isMark || refusal)
  }
  return {
    ask,
    list: (request) => {
      for (let tries = 1; ; tries++) {
        const [answer] = ask([request])
        if (answer?.refusal) throw new CnilabError('state', `could not read the network: ${answer.refusal.words}`)
        if (answer?.isInterrupted !== true || tries === TRIES) return answer?.messages ?? []
      }
    },
    close: () => closeSync(fd),
  }
}

function fail(answer: { refusal: Refusal | undefined; isOver: boolean }, refusal: Refusal): void {
  answer.isOver = true
  answer.refusal ??= refusal
}

/** Whether a message of netfilter begins or ends a transaction: NFNL_MSG_BATCH_BEGIN and _END. (Others have these types, too.) */
function isBatchMark(request: Buffer): boolean {
  const type = request.readUInt16LE(4)
  return type === 0x10 || type === 0x11
}

/** The refusal in an acknowledgement, or at the end of a list; undefined if it did what it was asked. */
function refusalIn(calls: Calls, bytes: Buffer, type: number, flags: number): Refusal | undefined {
  const errno = bytes.length >= HEADER + 4 ? -bytes.readInt32LE(HEADER) : 0
  if (errno <= 0) return undefined
  const request = type === ERROR && (flags & CAPPED) === 0 ? bytes.readUInt32LE(HEADER + 4) : HEADER
  const attributes =
    (flags & HAS_ATTRIBUTES) === 0 ? undefined : readAttributes(bytes, HEADER + 4 + ((request + 3) & ~3))
  return { errno, words: readString(attributes?.get(WORDS)) ?? calls.strerror(errno) }
}
