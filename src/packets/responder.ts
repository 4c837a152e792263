// Answers every caller with the address that it sees them under. A separate program, which runs in a network namespace:
// `node responder.js [--while-stdin] [--namespace FILE] http:80 tcp:7 udp:7 dns:53`
//
// Prints `ready` when it listens on all of them. If another program has a port, it prints `busy PORT`, and exits with 0.
// --while-stdin: it ends when its standard input closes.
// --namespace: FILE is the file of its network namespace. There is only one such responder per namespace: if one is already
// running, it just prints `ready`. It leaves a port to another program as long as that has it. It ends when FILE is no
// longer its namespace, which otherwise would live on without a name.
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { statSync, watch, watchFile } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { networkInterfaces } from 'node:os'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { UPLINK } from '../state/state.ts'
import { answer } from './dns.ts'
import { LOCK, READY } from './names.ts'

const ignore = () => undefined

/** An address without decoration: on an IPv6 socket, IPv4 callers are mapped (RFC 4291, section 2.5.5.2), and link-local ones have a zone. */
function plain(address = ''): string {
  return address.replace(/^::ffff:(?=\d+\.)/, '').replace(/%.*$/, '')
}

const GREETING = 'you are '
const greet = (address: string | undefined) => `${GREETING}${plain(address)}\n`

/** The names of the internet's name server. `whoami.test` is the IPv4 address of the caller. */
function find(name: string, caller: string): string | undefined {
  if (name === 'internet.test' || name === 'www.internet.test') return UPLINK.gateway
  if (name === 'whoami.test') return caller.includes(':') ? '' : caller
  return undefined
}

/** Returns the answer to a datagram; undefined for none. */
type Reply = (message: Buffer, caller: string) => string | Buffer | undefined

/** Does not answer greetings: two responders would greet each other for ever. */
const greetDatagram: Reply = (message, caller) =>
  message.toString('latin1').startsWith(GREETING) ? undefined : greet(caller)

const services: Record<string, (port: number) => Promise<void>> = {
  http: async (port) => {
    const http = await import('node:http') // as much to load as the rest of Node
    const server = http.createServer((request, response) => {
      request.resume()
      response
        .writeHead(200, { 'content-type': 'text/plain', connection: 'close' })
        .end(greet(request.socket.remoteAddress))
    })
    await listen(
      server.on('clientError', (_error, socket) => socket.destroy()),
      port,
    )
  },
  tcp: (port) =>
    listen(
      createServer((socket) => {
        socket.on('error', ignore) // the caller went away
        socket.write(greet(socket.remoteAddress))
        socket.pipe(socket)
      }),
      port,
    ),
  udp: (port) => listenForDatagrams(port, greetDatagram),
  dns: (port) => listenForDatagrams(port, (message, caller) => answer(message, (name) => find(name, caller))),
}

/** Listens on all addresses: Node's default is both families on one socket, or just IPv4 if there is no IPv6. */
async function listen(server: Server, where: number | string): Promise<void> {
  server.listen(where)
  await once(server, 'listening')
  server.on('error', ignore) // one connection could not be accepted
}

/**
 * Listens on all addresses, and with a separate socket on each current one: from a socket bound to all, an answer would leave
 * with the address of the route back, which may not be the one that was called. These sockets share the port
 * (SO_REUSEADDR), so a probe without that finds out whether another program has it.
 */
async function listenForDatagrams(port: number, reply: Reply): Promise<void> {
  const probe = await bindToAll(port, false)
  probe.close()
  await once(probe, 'close')
  serve(await bindToAll(port, true), reply)
  const addresses = Object.values(networkInterfaces()).flatMap((all) => all ?? [])
  for (const { family, address, scopeid } of addresses) {
    if (scopeid !== undefined && scopeid !== 0) continue // a link-local one is the only choice on its link
    const socket = await bind(family === 'IPv4' ? 'udp4' : 'udp6', port, address, true).catch(ignore)
    if (socket) serve(socket, reply) // otherwise the address is just gone, or not ready yet
  }
}

function bindToAll(port: number, reuseAddr: boolean): Promise<Socket> {
  return bind('udp6', port, '::', reuseAddr).catch((error: unknown) => {
    if (isBusy(error)) throw error
    return bind('udp4', port, '0.0.0.0', reuseAddr)
  })
}

async function bind(type: 'udp4' | 'udp6', port: number, address: string, reuseAddr: boolean): Promise<Socket> {
  const socket = createSocket({ type, reuseAddr })
  try {
    socket.bind(port, address)
    await once(socket, 'listening')
    return socket
  } catch (error) {
    socket.close()
    throw error
  }
}

function serve(socket: Socket, reply: Reply): void {
  socket.on('error', ignore)
  socket.on('message', (message: Buffer, { address, port }: RemoteInfo) => {
    const response = reply(message, plain(address))
    if (response !== undefined && port !== 0) socket.send(response, port, address, ignore)
  })
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EADDRINUSE'
}

/** Starts a service, `PROTOCOL:PORT`. Returns false if another program has the port. */
async function start(service: string): Promise<boolean> {
  const [protocol = '', port = ''] = service.split(':')
  const serveAt = services[protocol]
  if (!serveAt || !/^\d+$/.test(port)) throw new Error(`${service} is not PROTOCOL:PORT`)
  try {
    await serveAt(Number(port))
    return true
  } catch (error) {
    if (isBusy(error)) return false
    throw error
  }
}

/** Tries to become the only responder of its network namespace. If there is one already, waits until that listens, and returns false. */
async function isTheOne(): Promise<boolean> {
  for (let i = 0; i < 2000; i++) {
    try {
      await listen(createServer(), LOCK)
      return true
    } catch (error) {
      if (!isBusy(error)) throw error
    }
    if (await answers(READY)) return false
    await sleep(5) // it is just starting, or just ending
  }
  throw new Error('another responder is starting, and never gets ready')
}

async function answers(path: string): Promise<boolean> {
  const socket = connect(path)
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

function endWithout(namespace: string): void {
  const own = statSync('/proc/self/ns/net').ino
  const look = () => {
    if (statSync(namespace, { throwIfNoEntry: false })?.ino !== own) process.exit(0)
  }
  try {
    watch(dirname(namespace), look).on('error', ignore)
  } catch {
    watchFile(namespace, { interval: 1000 }, look) // the user's inotify watches are used up
  }
  look()
}

async function startAgain(waiting: readonly string[]): Promise<void> {
  let left = waiting
  while (left.length > 0) {
    await sleep(1000)
    const started = await Promise.all(left.map(start))
    left = left.filter((_, i) => started[i] !== true)
  }
}

process.stdout.on('error', ignore) // the process that started it is gone
const { values, positionals } = parseArgs({
  options: { 'while-stdin': { type: 'boolean' }, namespace: { type: 'string' } },
  allowPositionals: true,
})
if (values['while-stdin'] === true) {
  const end = () => process.exit(0)
  process.stdin.on('error', end).on('close', end).on('end', end).resume()
}
const { namespace } = values
if (namespace !== undefined) {
  endWithout(namespace)
  if (!(await isTheOne())) {
    process.stdout.write('ready\n', () => process.exit(0))
    await sleep(2 ** 30)
  }
}
const busy: string[] = []
for (const service of positionals) {
  if (await start(service)) continue
  busy.push(service)
  if (namespace !== undefined) continue
  process.stdout.write(`busy ${service.split(':')[1]}\n`, () => process.exit(0))
  await sleep(2 ** 30)
}
if (namespace !== undefined)
  await listen(
    createServer((socket) => socket.destroy()),
    READY,
  )
process.stdout.write('ready\n')
await startAgain(busy)
