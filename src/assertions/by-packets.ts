import * as z from 'zod'
import { asText } from '../visible.ts'
import { anyNetns } from '../operations/names.ts'
import { ipAddress } from '../operations/ip.ts'
import { yesOrNo } from '../operations/scalars.ts'
import { resource } from '../operations/operation.ts'
import { HOST } from '../state/state.ts'
import type { AssertionKind } from './assertion.ts'

/** The sender of packets: a namespace, or the host. */
const sender = z
  .union([z.literal(HOST), anyNetns], {
    error: (issue) => `'${asText(issue.input)}' is not a namespace, for example: red or ${HOST}`,
  })
  .describe(`the namespace that it is sent from, or ${HOST}`)

const target = ipAddress.describe('the address that it is sent to')
const port = z
  .string()
  .refine((text) => /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535, {
    error: (issue) => `'${asText(issue.input)}' is not a port, for example: 80`,
  })
  .transform(Number)
/** A word that a program takes as one argument, and not as an option. */
const word = (example: string) =>
  z.string().regex(/^[^\s\p{Cc}-][^\s\p{Cc}]*$/u, { error: `must be one word, for example: ${example}` })

/** Whether cnilab itself listens at the target during the check, if nobody else does; the internet always answers. */
const listen = yesOrNo
  .default(false)
  .describe('whether cnilab itself listens there during the check, if nobody else does')

const needsSender = (p: { from: string }) => (p.from === HOST ? [] : [resource.netns(p.from)])
const place = (from: string) => (from === HOST ? undefined : from)

interface PingParams {
  from: string
  to: string
  packets?: 'small' | 'full' | 'all' | undefined
}

/** What a ping is answered with, in addition to the first small echo request. */
const MORE = { small: '', full: ', and one of full size', all: ', one of full size, and TCP' }

/** One echo request gets an answer: ping(8). */
export const ping: AssertionKind<PingParams> = {
  title: 'one echo request is answered',
  params: z.strictObject({
    from: sender,
    to: target,
    packets: z
      .enum(['small', 'full', 'all'], { error: 'is small, full or all' })
      .optional()
      .describe(
        'what must pass: a small echo request; full: one of full size, too; all: TCP, too. By default small, and all in the last step of a lab',
      ),
  }),
  id: (p) => `${p.from}.${p.to}`,
  what: (p, not) => `${p.from} ${not ? 'does not reach' : 'reaches'} ${p.to}`,
  expected: (p, not) =>
    not ? `${p.to} does not answer ${p.from}` : `${p.to} answers a ping from ${p.from}${MORE[p.packets ?? 'small']}`,
  why: 'An answer means that the packet found its way there and that the reply found its way back.',
  needs: needsSender,
  test: (p) => ({ by: 'ping', from: place(p.from), to: p.to, packets: p.packets ?? 'small' }),
}

interface SeenParams {
  from: string
  as: string
}

/** The source address that the internet sees when `from` calls it; the call need not be answered. */
export const seen: AssertionKind<SeenParams> = {
  title: 'the source address that the internet sees',
  params: z.strictObject({
    from: anyNetns.describe('the namespace that calls'),
    as: ipAddress.describe('the address that the internet sees'),
  }),
  id: (p) => `${p.from}.${p.as}`,
  what: (p, not) => `The internet ${not ? 'does not see' : 'sees'} ${p.from} as ${p.as}`,
  expected: (p, not) => `the internet ${not ? 'does not see' : 'sees'} ${p.from} as ${p.as}`,
  why: 'The internet answers to the source address that it sees. After masquerading that is the host’s own, the only one to which it has a route.',
  needs: (p) => [resource.netns(p.from)],
  test: (p) => ({ by: 'seen', from: p.from, as: p.as }),
}

interface ServiceParams {
  from: string
  to: string
  port: number
  listen: boolean
}

function service(protocol: 'tcp' | 'udp', title: string, why: string): AssertionKind<ServiceParams> {
  const name = protocol.toUpperCase()
  return {
    title,
    params: z.strictObject({ from: sender, to: target, port: port.describe('the port'), listen }),
    id: (p) => `${p.from}.${p.to}.${p.port}`,
    what: (p, not) => `${p.from} ${not ? 'does not reach' : 'reaches'} ${name} port ${p.port} of ${p.to}`,
    expected: (p, not) => `${name} port ${p.port} of ${p.to} ${not ? 'does not answer' : 'answers'} ${p.from}`,
    why,
    needs: needsSender,
    test: (p) => ({
      by: 'call',
      from: place(p.from),
      call: { protocol, to: p.to, port: p.port },
      listen: p.listen,
      judge: ({ ok, detail }) => ({
        holds: ok,
        actual: `${name} port ${p.port} of ${p.to} ${ok ? 'answers' : 'does not answer'}: ${detail}`,
      }),
    }),
  }
}

/** A TCP connection is accepted. */
export const tcp = service(
  'tcp',
  'a TCP connection is accepted',
  'A TCP connection needs packets in both directions, and a program that listens.',
)
/** A datagram is answered. */
export const udp = service(
  'udp',
  'a datagram is answered',
  'UDP has no connection: only an answer shows that a datagram arrived.',
)

interface HttpParams {
  from: string
  to: string
  port: number
  path: string
  status: number
  contains?: string | undefined
  listen: boolean
}

/** A web server answers with a status, and with a page that contains a text. */
export const http: AssertionKind<HttpParams> = {
  title: 'a web server answers with a page',
  params: z.strictObject({
    from: sender,
    to: target,
    port: port.default(80).describe('the port; by default 80'),
    path: word('/index.html').default('/').describe('the path of the page; by default /'),
    status: z
      .string()
      .regex(/^[1-5]\d\d$/, { error: 'is an HTTP status, for example: 200' })
      .transform(Number)
      .default(200)
      .describe('the status; by default 200'),
    contains: z.string().optional().describe('a text that the page contains'),
    listen,
  }),
  id: (p) => [p.from, p.to, p.port, p.path, p.status, ...(p.contains === undefined ? [] : [p.contains])].join('.'),
  what: (p, not) => `${p.from} ${not ? 'does not get' : 'gets'} the page http://${p.to}:${p.port}${p.path}`,
  expected: (p, not) =>
    `the page ${not ? 'does not come' : 'comes'} with status ${p.status}${p.contains === undefined ? '' : ` and contains '${p.contains}'`}`,
  why: 'A page needs the whole way there and back: name or address, route, TCP, and a server.',
  needs: needsSender,
  test: (p) => ({
    by: 'call',
    from: place(p.from),
    call: { protocol: 'http', to: p.to, port: p.port, path: p.path, contains: p.contains },
    listen: p.listen,
    judge: ({ ok, detail, status, contains }) => ({
      holds: ok && status === p.status && (p.contains === undefined || (contains ?? detail.includes(p.contains))),
      actual:
        status === undefined
          ? `the page does not come: ${detail}`
          : `the page comes with status ${status}: ${detail.trim()}${contains === false ? `, and nowhere '${p.contains}'` : ''}`,
    }),
  }),
}

interface DnsParams {
  from: string
  server: string
  name: string
  address?: string | undefined
}

/** A name server knows the address of a name. */
export const dns: AssertionKind<DnsParams> = {
  title: 'a name server knows the address of a name',
  params: z.strictObject({
    from: sender,
    server: ipAddress.describe('the address of the name server'),
    name: word('www.example.com').describe('the name'),
    address: ipAddress.optional().describe('the address that it should have'),
  }),
  id: (p) => `${p.from}.${p.server}.${p.name}`,
  what: (p, not) => `${p.from} ${not ? 'does not learn' : 'learns'} the address of ${p.name} from ${p.server}`,
  expected: (p, not) =>
    `${p.server} ${not ? 'does not answer' : 'answers'} that ${p.name} has ${p.address === undefined ? 'an address' : `the address ${p.address}`}`,
  why: 'People use names; a packet needs an address. The question and its answer are UDP datagrams.',
  needs: needsSender,
  test: (p) => ({
    by: 'call',
    from: place(p.from),
    call: { protocol: 'dns', server: p.server, name: p.name },
    listen: false,
    judge: ({ ok, detail }) => ({
      holds: ok && (p.address === undefined || detail === p.address),
      actual: ok
        ? `${p.server} answers that ${p.name} has the address ${detail}`
        : `${p.server} gives no address of ${p.name}: ${detail}`,
    }),
  }),
}
