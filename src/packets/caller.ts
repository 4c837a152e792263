// Calls an address once, and prints the outcome as one line of JSON. A separate program, which runs in a network namespace:
// `node caller.js udp ADDR PORT SECONDS`, `[soon] tcp ADDR PORT SECONDS [SAY]`, `[soon] http ADDR PORT SECONDS [PATH [TEXT]]`,
// `dns SERVER NAME SECONDS`
//
// `ok`: whether it was answered (TCP: connected; DNS: with an address). `detail`: the first line of the answer, the address,
// or what went wrong, in words. `status`: HTTP's. `contains`: whether the page contains TEXT, a JSON string. SAY, another one,
// is sent to somebody who waits for us to speak first. With `soon`, somebody is just about to listen: it tries again for a
// moment if it is refused. It exits with 0 whenever it has printed that.
import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { writeSync } from 'node:fs'
import { connect, isIP, isIPv6 } from 'node:net'
import { ask, readAnswer } from './dns.ts'

interface Outcome {
  ok: boolean
  detail: string
  status?: number
  contains?: boolean
}

/** How long a connection may stay silent before we assume that it waits for us to speak, in seconds. */
const SILENCE = 1
/** How long one may take to begin to listen, in seconds, from when this program was started. */
const BEGINNING = 1
/** How much of an answer to read, in bytes. */
const MAX_LENGTH = 65_536
/** The same for a page in which a text is searched for. */
const MAX_PAGE = 4 * 1024 * 1024

function finish(outcome: Outcome): never {
  writeSync(1, `${JSON.stringify(outcome)}\n`)
  process.exit(0)
}

/** Errors of connect(2) and of ICMP, in words. */
const words: Record<string, string> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  ENETUNREACH: 'no route: network unreachable',
  EHOSTUNREACH: 'no route: host unreachable',
  EADDRNOTAVAIL: 'no route: no source address to call from',
  EACCES: 'not permitted: forbidden by a route or a rule here',
  EPERM: 'not permitted: forbidden by a rule here',
  EINVAL: 'cannot be called from here',
}

function fail(error: unknown): never {
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
  if (code === 'ETIMEDOUT') finish(silence)
  finish({ ok: false, detail: words[code] ?? (error instanceof Error ? error.message : String(error)) })
}

/** What to do with an error: to try again, if somebody is just about to listen, or else to give up. */
function orAgain(attempt: () => unknown): (error: NodeJS.ErrnoException) => void {
  return (error) => {
    const isEarly = isSoon && error.code === 'ECONNREFUSED' && performance.now() < BEGINNING * 1000
    if (isEarly) setTimeout(attempt, 5)
    else fail(error)
  }
}

const firstLine = (text: string) => (text.split('\n')[0] ?? '').trim().slice(0, 200)

const isSoon = process.argv[2] === 'soon'
const [protocol = '', to = '', third = '', fourth = '', fifth, sought] = process.argv.slice(isSoon ? 3 : 2)
const [seconds, port] = protocol === 'dns' ? [Number(fourth), 53] : [Number(fourth), Number(third)]
const silence = { ok: false, detail: `no answer within ${seconds} s` }

const calls: Record<string, () => void | Promise<void>> = {
  tcp: function attempt() {
    const socket = connect(port, to)
    let received = ''
    const done = () => finish({ ok: true, detail: firstLine(received) || 'connected' })
    socket
      .setEncoding('utf8')
      .on('error', orAgain(attempt))
      .on('connect', () => {
        if (fifth !== undefined) socket.write(String(JSON.parse(fifth)))
        setTimeout(done, Math.min(SILENCE, seconds / 2) * 1000)
      })
      .on('data', (more: string) => {
        received += more
        if (received.includes('\n') || received.length > MAX_LENGTH) done()
      })
      .on('end', done)
  },
  udp: () => datagram(Buffer.from('hello\n'), (message) => ({ ok: true, detail: firstLine(message.toString('utf8')) })),
  http: async function attempt() {
    const { get } = await import('node:http') // as much to load as the rest of Node
    get({ host: to, port, path: fifth ?? '/', agent: false }, (response) => {
      const { statusCode: status = 0 } = response
      const wanted = sought === undefined ? undefined : String(JSON.parse(sought))
      let received = ''
      const found = () => (wanted === undefined ? {} : { contains: received.includes(wanted) })
      const done = () => finish({ ok: true, detail: firstLine(received), status, ...found() })
      response
        .setEncoding('utf8')
        .on('error', done)
        .on('data', (more: string) => {
          received += more
          if (received.length > (wanted === undefined ? MAX_LENGTH : MAX_PAGE)) done()
        })
        .on('end', done)
      // Who searches for a text waits for all of the page.
      setTimeout(done, (wanted === undefined ? Math.min(SILENCE, seconds / 2) : seconds * 0.9) * 1000)
    }).on('error', orAgain(attempt))
  },
  dns: () => {
    const id = randomInt(0x10000)
    const question = ask(id, third)
    if (!question) finish({ ok: false, detail: `${third} is not a domain name` })
    datagram(question, (message) => {
      const answer = readAnswer(message, id)
      if (!answer) return undefined
      return 'address' in answer ? { ok: true, detail: answer.address } : { ok: false, detail: answer.refusal }
    })
  },
}

/** Sends a datagram, and finishes with the first reply that `read` accepts as an answer. */
function datagram(message: Buffer, read: (answer: Buffer) => Outcome | undefined): void {
  const socket = createSocket(isIPv6(to) ? 'udp6' : 'udp4')
  // Connected, so that we only receive from that address, and so that the kernel reports a refusal (udp(7)).
  socket.on('error', fail).on('message', (answer) => {
    const outcome = read(answer)
    if (outcome) finish(outcome)
  })
  socket.connect(port, to, (error?: Error) => {
    if (error) fail(error)
    socket.send(message, (failed) => {
      if (failed) fail(failed)
    })
  })
}

const callIt = calls[protocol]
if (!callIt || !(seconds > 0) || !(port > 0 && port < 65_536)) {
  process.stderr.write('usage: caller tcp|udp|http ADDRESS PORT SECONDS [PATH], or dns SERVER NAME SECONDS\n')
  process.exit(2)
}
if (isIP(to) === 0) finish({ ok: false, detail: `${to} is not an address` })
setTimeout(() => finish(silence), seconds * 1000)
try {
  await callIt()
} catch (error) {
  fail(error)
}
