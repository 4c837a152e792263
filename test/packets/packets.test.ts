import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { doPlan } from '../../src/engine/do.ts'
import { APP, type Host } from '../../src/kernel/host.ts'
import type { Kernel } from '../../src/kernel/kernel.ts'
import { inside } from '../../src/kernel/inside.ts'
import type { CallOutcome, PacketCall } from '../../src/assertions/assertion.ts'
import { call, startInternet, whileAnswering } from '../../src/kernel/packets.ts'
import { spawnDetached } from '../../src/kernel/detached.ts'
import { environmentOn } from '../../src/kernel/environment.ts'
import { type KindName, parseOperation } from '../../src/operations/registry.ts'
import { answer, ask, readAnswer } from '../../src/packets/dns.ts'
import type { LiveSandbox } from '../../src/sandbox/create.ts'
import { eventually, processesWith, withSandbox } from '../helpers.ts'

const INTERNET = '203.0.113.1'
const UPLINK = '203.0.113.2'
const refused = { ok: false, detail: 'connection refused' }

/** Two containers, 10.22.0.2 and 10.22.0.3, on a bridge whose host masquerades; a third has no route to anywhere. */
async function build(kernel: Kernel): Promise<void> {
  const container = (netns: string, address: string): [KindName, object][] => [
    ['netns', { name: netns }],
    ['veth', { name: `v-${netns}`, peer: 'eth0', peerNetns: netns }],
    ['attach-bridge', { ifname: `v-${netns}`, bridge: 'br0' }],
    ['up', { ifname: `v-${netns}` }],
    ['address', { address, ifname: 'eth0', netns }],
    ['up', { ifname: 'lo', netns }],
    ['up', { ifname: 'eth0', netns }],
    ['route', { dst: 'default', via: '10.22.0.1', netns }],
  ]
  const operations: [KindName, object][] = [
    ['bridge', { name: 'br0' }],
    ['address', { address: '10.22.0.1/16', ifname: 'br0' }],
    ['up', { ifname: 'br0' }],
    ...container('red', '10.22.0.2/16'),
    ...container('blue', '10.22.0.3/16'),
    ['netns', { name: 'lonely' }],
    ['sysctl', { key: 'net.ipv4.ip_forward', value: '1' }],
    ['masquerade', { subnet: '10.22.0.0/16' }],
  ]
  await doPlan(
    kernel,
    operations.map(([kind, params]) => parseOperation(kind, params)),
  )
}

/** A call of each protocol. */
const calls = (to: string): PacketCall[] => [
  { protocol: 'tcp', to, port: 7 },
  { protocol: 'udp', to, port: 7 },
  { protocol: 'http', to, port: 80, path: '/any' },
  { protocol: 'dns', server: to, name: 'whoami.test' },
]

async function each(
  kernel: Kernel,
  from: string | undefined,
  whom: readonly PacketCall[],
  seconds = 5,
): Promise<CallOutcome[]> {
  const answers: CallOutcome[] = []
  for (const one of whom) answers.push(await call(kernel, from, one, seconds))
  return answers
}

/** The pids of the responders that run in a sandbox, as its programs see them. */
function responders({ holder }: Host): string[] {
  const root = `/proc/${holder}/root`
  return readdirSync(`${root}/proc`).filter((entry) => {
    try {
      return (
        /^\d+$/.test(entry) &&
        /^[^\0]*node\0.*responder\.js/.test(readFileSync(`${root}/proc/${entry}/cmdline`, 'utf8'))
      )
    } catch {
      return false
    }
  })
}

/** Runs JavaScript in the sandbox, in a namespace of it. */
async function runThere(kernel: Kernel, netns: string | undefined, script: string): Promise<string> {
  const { stdout, stderr } = await kernel.probe([APP.node, '--input-type=module', '-e', script], netns)
  expect(stderr).toBe('')
  return stdout
}

/** Programs that say `mine`, and call this once they listen. */
const web = `require('node:http').createServer((_, response) => response.end('mine')).listen(80, '0.0.0.0', listening)`
const datagrams = `const socket = require('node:dgram').createSocket({ type: 'udp4', reuseAddr: true })
  socket.on('message', (_, { port, address }) => socket.send('mine', port, address)).bind(7, listening)`

/** Starts one of them, which runs until what this returns is called. */
async function foreign(host: Host, netns: string, program: string): Promise<() => Promise<void>> {
  const script = `const listening = () => console.log('on'); process.stdin.on('end', () => process.exit()).resume(); ${program}`
  const argv = inside(host, netns, [APP.node, '-e', script])
  const { nextLine, lifeline, ended } = await spawnDetached(argv, environmentOn(host))
  expect(await nextLine(5)).toBe('on')
  return async () => {
    lifeline.end()
    await ended
  }
}

const load = (file: string) => `await import('${join(import.meta.dirname, '../../src', file)}')`

it('the internet answers each protocol, and sees the host in place of its containers', () =>
  withSandbox(async (kernel) => {
    await build(kernel)
    expect(await each(kernel, 'red', calls(INTERNET))).toEqual([refused, refused, refused, refused])
    await startInternet(kernel.host)
    const seen = [
      { ok: true, detail: `you are ${UPLINK}` },
      { ok: true, detail: `you are ${UPLINK}` },
      { ok: true, detail: `you are ${UPLINK}`, status: 200 },
      { ok: true, detail: UPLINK },
    ]
    for (const from of ['red', undefined]) expect(await each(kernel, from, calls(INTERNET))).toEqual(seen)
    // Without masquerading the internet would know no way back; with one, it would see the container.
    await kernel.run([{ tool: 'ip', argv: ['route', 'add', '10.22.0.0/16', 'via', UPLINK], netns: 'internet' }])
    expect((await kernel.probe(['nft', 'flush', 'ruleset'])).code).toBe(0)
    expect((await each(kernel, 'red', calls(INTERNET))).map(({ detail }) => detail)).toEqual([
      'you are 10.22.0.2',
      'you are 10.22.0.2',
      'you are 10.22.0.2',
      '10.22.0.2',
    ])
  }))

it('knows three names, and garbage does not end it', () =>
  withSandbox(async (kernel) => {
    await startInternet(kernel.host)
    const before = responders(kernel.host)
    await runThere(
      kernel,
      undefined,
      `import { connect } from 'node:net'; import { createSocket } from 'node:dgram'; import { randomBytes } from 'node:crypto'
       const udp = createSocket('udp4')
       for (const port of [7, 53]) for (let n = 0; n < 300; n++) await new Promise((r) => udp.send(randomBytes(n), port, '${INTERNET}', r))
       udp.close()
       for (const port of [7, 80]) for (let n = 0; n < 50; n++) await new Promise((r) => {
         const s = connect(port, '${INTERNET}', () => { s.write(randomBytes(9999)); setTimeout(() => { s.resetAndDestroy(); r() }, n % 3) }).on('error', r)
       })`,
    )
    const lookUp = (name: string) => call(kernel, undefined, { protocol: 'dns', server: INTERNET, name }, 5)
    expect(await lookUp('internet.test')).toEqual({ ok: true, detail: INTERNET })
    expect(await lookUp('WWW.internet.test.')).toEqual({ ok: true, detail: INTERNET })
    expect(await lookUp('nobody.test')).toEqual({ ok: false, detail: 'NXDOMAIN' })
    expect(await lookUp('no..name')).toEqual({ ok: false, detail: 'no..name is not a domain name' })
    expect(await each(kernel, undefined, calls(INTERNET))).toMatchObject(calls(INTERNET).map(() => ({ ok: true })))
    expect(responders(kernel.host)).toEqual(before)
    expect(before).toHaveLength(1)
    // Node's own resolver (c-ares) understands it, too.
    const script = `import { promises } from 'node:dns'; const r = new promises.Resolver({ timeout: 2000, tries: 1 }); r.setServers(['${INTERNET}'])
      console.log(...await r.resolve4('internet.test'), (await r.resolve6('internet.test').catch((e) => e)).code, (await r.resolve4('a.b').catch((e) => e)).code)`
    expect(await runThere(kernel, undefined, script)).toBe(`${INTERNET} ENODATA ENOTFOUND\n`)
  }))

it('reads any DNS message, whole, cut off or mixed up, without an error', () => {
  const find = (name: string) => (name === 'a.test' ? '192.0.2.1' : undefined)
  const question = ask(7, 'a.test') ?? Buffer.alloc(0)
  const whole = answer(question, find) ?? Buffer.alloc(0)
  expect(readAnswer(whole, 7)).toEqual({ address: '192.0.2.1' })
  expect(readAnswer(whole, 8)).toBeUndefined()
  expect(answer(whole, find)).toBeUndefined()
  expect(answer(question.subarray(0, 11), find)).toBeUndefined()
  for (let cut = 12; cut < question.length; cut++)
    expect(readAnswer(answer(question.subarray(0, cut), find) ?? whole, 7)).toEqual({ refusal: 'FORMERR' })
  for (let cut = 12; cut < whole.length; cut++) expect(readAnswer(whole.subarray(0, cut), 7)).toHaveProperty('refusal')
  // a name that goes on elsewhere, or that is no text
  for (const odd of [Buffer.from([0xc0, 4]), Buffer.from([1, 0xff, 0])]) {
    const odder = Buffer.concat([question.subarray(0, 12), odd, question.subarray(-4)])
    expect(readAnswer(answer(odder, () => '192.0.2.1') ?? whole, 7)).toEqual({ refusal: 'FORMERR' })
  }
  for (const message of [question, whole])
    for (let at = 0; at < message.length; at++)
      for (let byte = 0; byte < 256; byte++) {
        const mixed = Buffer.from(message)
        mixed[at] = byte
        for (const one of [mixed, mixed.subarray(0, at), Buffer.concat([mixed, mixed])]) {
          expect(() => answer(one, find)).not.toThrow()
          expect(() => readAnswer(one, 7)).not.toThrow()
        }
      }
})

it('one container calls another, or its host at any address, while something answers there', () =>
  withSandbox(async (kernel) => {
    await build(kernel)
    const { host } = kernel
    const [tcp, udp, http, dns] = calls('10.22.0.3')
    if (!tcp || !udp || !http || !dns) throw new Error('four calls')
    const from = (whom: PacketCall) => () => call(kernel, 'red', whom, 5)
    const detail = { ok: true, detail: 'you are 10.22.0.2' }
    expect(await whileAnswering(host, 'blue', 'tcp:7', from(tcp))).toEqual(detail)
    expect(await whileAnswering(host, 'blue', 'udp:7', from(udp))).toEqual(detail)
    expect(await whileAnswering(host, 'blue', 'http:80', from(http))).toEqual({ ...detail, status: 200 })
    expect(await whileAnswering(host, 'blue', 'dns:53', from(dns))).toEqual({ ok: true, detail: '10.22.0.2' })
    for (const to of ['10.22.0.1', UPLINK])
      expect(await whileAnswering(host, undefined, 'udp:7', from({ protocol: 'udp', to, port: 7 }))).toEqual(detail)
    expect(responders(host)).toEqual([])
    expect(await call(kernel, 'red', tcp, 5)).toEqual(refused)
    // IPv6
    const self = (protocol: 'tcp' | 'udp') => () => call(kernel, 'blue', { protocol, to: '::1', port: 9 }, 5)
    for (const protocol of ['tcp', 'udp'] as const)
      expect(await whileAnswering(host, 'blue', `${protocol}:9`, self(protocol))).toEqual({
        ok: true,
        detail: 'you are ::1',
      })
    await expect(whileAnswering(host, 'blue', 'tcp:9', () => Promise.reject(new Error('mine')))).rejects.toThrow('mine')
    await expect(whileAnswering(host, 'nowhere', 'tcp:9', self('tcp'))).rejects.toThrow(
      /start a responder in nowhere: .*nowhere/,
    )
    await expect(call(kernel, 'nowhere', tcp, 5)).rejects.toThrow(/call from nowhere: .*nowhere/)
    expect(responders(host)).toEqual([])
  }))

it('says what is wrong, and waits no longer than it was told', () =>
  withSandbox(async (kernel) => {
    await build(kernel)
    await startInternet(kernel.host)
    const noRoute = { ok: false, detail: 'no route: network unreachable' }
    expect(await each(kernel, 'lonely', calls(INTERNET))).toEqual([noRoute, noRoute, noRoute, noRoute])
    expect(await call(kernel, 'red', { protocol: 'tcp', to: '10.22.0.9', port: 7 }, 8)).toEqual({
      ok: false,
      detail: 'no route: host unreachable',
    })
    expect(await call(kernel, 'red', { protocol: 'tcp', to: 'internet.test', port: 7 }, 5)).toEqual({
      ok: false,
      detail: 'internet.test is not an address',
    })
    const drop = 'add table ip t; add chain ip t c { type filter hook input priority 0; }; add rule ip t c drop\n'
    expect((await kernel.probe(['nft', '-f', '-'], 'internet', drop)).code).toBe(0)
    for (const whom of calls(INTERNET)) {
      const since = Date.now()
      expect(await call(kernel, 'red', whom, 0.5)).toEqual({ ok: false, detail: 'no answer within 0.5 s' })
      expect(Date.now() - since).toBeGreaterThan(490)
      expect(Date.now() - since).toBeLessThan(2500)
    }
  }))

it('a program that listens already is the one that answers', () =>
  withSandbox(async (kernel) => {
    await build(kernel)
    const { host } = kernel
    const mine = { ok: true, detail: 'mine', status: 200 }
    const http = (to: string) => () => call(kernel, 'red', { protocol: 'http', to, port: 80, path: '/' }, 5)
    const end = await foreign(host, 'blue', web)
    expect(await whileAnswering(host, 'blue', 'http:80', http('10.22.0.3'))).toEqual(mine)
    expect(await http('10.22.0.3')()).toEqual(mine)
    await end()
    expect(await http('10.22.0.3')()).toEqual(refused)
    const endDatagrams = await foreign(host, 'blue', datagrams) // which would share its port
    const udp = () => call(kernel, 'red', { protocol: 'udp', to: '10.22.0.3', port: 7 }, 5)
    expect(await whileAnswering(host, 'blue', 'udp:7', udp)).toEqual({ ok: true, detail: 'mine' })
    await endDatagrams()
    // The internet's responder leaves a port to another program, and takes it when that has ended.
    const endInternet = await foreign(host, 'internet', web)
    await startInternet(host)
    expect(await http(INTERNET)()).toEqual(mine)
    expect(await each(kernel, 'red', calls(INTERNET))).toMatchObject(calls(INTERNET).map(() => ({ ok: true })))
    await endInternet()
    let detail = ''
    for (let i = 0; i < 50 && detail !== `you are ${UPLINK}`; i++) ({ detail } = await http(INTERNET)())
    expect(detail).toBe(`you are ${UPLINK}`)
    expect(await whileAnswering(host, 'internet', 'http:80', http(INTERNET))).toMatchObject({ detail })
    expect(responders(host)).toHaveLength(1)
  }))

it('is started once by many that ask at the same time, inside and outside, and anew when it is gone', () =>
  withSandbox(async (kernel) => {
    const { host } = kernel
    const isOn = async () =>
      expect(await each(kernel, undefined, calls(INTERNET))).toMatchObject(calls('').map(() => ({ ok: true })))
    const fromInside = async (netns?: string) =>
      (await kernel.probe([`${APP.bin}/cnilab`, 'exec', '--', 'echo', 'on'], netns)).stdout
    const start = () => startInternet(host)
    await Promise.all([start(), start(), fromInside(), start(), fromInside(), start()])
    await isOn()
    const first = responders(host)
    expect(first).toHaveLength(1)
    await start()
    expect(responders(host)).toEqual(first)

    expect((await kernel.probe(['kill', '-KILL', ...first])).code).toBe(0)
    // A process that is dying has its sockets a little longer.
    const network = `/proc/${host.holder}/root/proc/${first[0]}/ns/net`
    expect(await eventually(() => statSync(network, { throwIfNoEntry: false }) === undefined)).toBe(true)
    await Promise.all([start(), start(), start()])
    await isOn()
    const second = responders(host)
    expect(second).toHaveLength(1)
    expect(second).not.toEqual(first)

    // With a process in it, the namespace would outlive its name, and keep its end of the uplink.
    await kernel.run([{ tool: 'ip', argv: ['netns', 'del', 'internet'] }])
    await start()
    expect(await eventually(() => responders(host).length === 0)).toBe(true)
    const argv = [APP.node, `${APP.package}/dist/src/packets/responder.js`, '--namespace', '/run/netns/internet']
    expect(await kernel.probe(argv)).toMatchObject({ code: 0, stdout: '' }) // the name is gone before it starts
    await expect.poll(async () => (await kernel.probe(['ip', 'link', 'show', 'eth0'])).code).toBe(1)
    const remake = `netns add internet
link add name eth0 type veth peer name eth0 netns internet
address add ${UPLINK}/24 dev eth0
link set dev eth0 up
`
    expect((await kernel.probe(['ip', '-batch', '-'], undefined, remake)).stderr).toBe('')
    const inIt = `link set dev lo up
address add ${INTERNET}/24 dev eth0
link set dev eth0 up
`
    expect((await kernel.probe(['ip', '-batch', '-'], 'internet', inIt)).stderr).toBe('')
    await kernel.run([{ tool: 'ip', argv: ['netns', 'add', 'red'] }])
    await kernel.run([{ tool: 'ip', argv: ['link', 'set', 'dev', 'lo', 'up'], netns: 'red' }])
    expect(await fromInside('red')).toBe('on\n')
    await isOn()
    expect(responders(host)).toHaveLength(1)
  }))

it('leaves no process, whatever ends first', async () => {
  const pidsOf = (pid: number | string) => {
    try {
      return statSync(`/proc/${pid}/ns/pid`).ino
    } catch {
      return undefined // it has ended, or is another user's
    }
  }
  /** The responders of a sandbox, and those outside that entered it for one, as the machine sees them. */
  const finder = ({ pid }: LiveSandbox['sandbox']) => {
    const own = pidsOf(pid)
    return () => {
      const entering = processesWith(`\0-t\0${pid}\0`)
      return processesWith('/packets/responder.js').filter((one) => entering.includes(one) || pidsOf(one) === own)
    }
  }
  const ended = await withSandbox(async ({ host }, { sandbox }) => {
    const all = finder(sandbox)
    await startInternet(host)
    // The responder alone: nothing of us waits for it outside.
    expect(await eventually(() => all().length === 1)).toBe(true)
    return all
  })
  expect(await eventually(() => ended().length === 0)).toBe(true)

  await withSandbox(async ({ host }, { sandbox }) => {
    const all = finder(sandbox)
    const script = `const { whileAnswering } = ${load('kernel/packets.ts')}
      await whileAnswering(${JSON.stringify(host)}, undefined, 'tcp:9', () => new Promise((r) => { console.log('on'); setTimeout(r, 60000) }))`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    expect(String(await once(child.stdout, 'data'))).toBe('on\n')
    expect(responders(host)).toHaveLength(1)
    expect(all()).toHaveLength(2)
    child.kill('SIGKILL')
    await once(child, 'close')
    expect(await eventually(() => all().length === 0)).toBe(true)
    await whileAnswering(host, undefined, 'tcp:9', () => Promise.resolve(expect(all()).toHaveLength(2)))
    expect(all()).toEqual([])
  })
})
