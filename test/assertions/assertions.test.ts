import { expect, it } from 'vitest'
import { parseClaim } from '../../src/assertions/registry.ts'
import { assert } from '../../src/lab/run/assert.ts'
import { APP } from '../../src/kernel/host.ts'
import type { Kernel } from '../../src/kernel/kernel.ts'
import { spawnOn } from '../../src/kernel/on-host.ts'
import { parseLab } from '../../src/lab/format/parse.ts'
import { withSandbox } from '../helpers.ts'

const BUILT = `ip netns add red; ip netns add blue
ip link add name br0 address 02:00:00:00:00:09 type bridge; ip address add 10.22.0.1/16 dev br0
for n in red blue; do
  ip link add name $n-b type veth peer name eth0 netns $n; ip link set dev $n-b master br0 up
done
ip link set dev br0 up mtu 1400
ip -n red address add 10.22.0.2/16 dev eth0; ip -n blue address add 10.22.0.3/16 dev eth0
for n in red blue; do ip -n $n link set dev lo up; ip -n $n link set dev eth0 up; ip -n $n route add default via 10.22.0.1; done
sysctl -qw net.ipv4.ip_forward=1
ip netns exec red sysctl -qw net.ipv4.conf.all.arp_ignore=1
nft add table ip nat; nft add chain ip nat post '{ type nat hook postrouting priority srcnat; }'
nft add rule ip nat post ip saddr 10.22.0.0/16 ip daddr != 10.22.0.0/16 masquerade
nft add table ip f; nft add chain ip f input '{ type filter hook input priority 0; }'; nft add rule ip f input tcp dport 99 drop`

/** A lab of one step whose only check is this one. */
function assertionOf(check: string) {
  const yaml = `version: 1\nid: t\ntitle: T\ntext: t\nsteps:\n  - id: a\n    title: a\n    text: t\n    run: [{ argv: [true] }]\n    checks:\n      - ${check}\n`
  const assertion = parseLab(yaml, 'x.yaml').steps[0]?.checks[0]
  if (!assertion) throw new Error('there is no check')
  return assertion
}

const findingOf = async (kernel: Kernel, check: string) => assert(kernel, assertionOf(check), 'a', await kernel.read())

const verdict = async (kernel: Kernel, check: string) => {
  const { passed, actual } = await findingOf(kernel, check)
  return [passed, actual] as const
}

/** What must hold of the network above, and what must not, with what is said of the latter. */
const table: [holds: string, fails: string, actual: string][] = [
  ['netns: { name: red }', 'netns: { name: green }', 'there is no namespace green'],
  ['interface: { name: br0 }', 'interface: { name: br9 }', 'there is no br9'],
  ['interface: { name: br0, kind: bridge }', 'interface: { name: br0, kind: veth }', 'br0 is a bridge'],
  ['interface: { name: eth0, netns: red, up: true }', 'interface: { name: eth0, netns: red, up: no }', 'is up'],
  ['interface: { name: red-b, master: br0 }', 'interface: { name: red-b, master: br1 }', 'red-b is a port of br0'],
  [
    'interface: { name: br0, address: 10.22.0.1/16 }',
    'interface: { name: br0, address: 10.22.0.1/24 }',
    'has 10.22.0.1/16',
  ],
  [
    'interface: { name: br0, mac: "02:00:00:00:00:09" }',
    'interface: { name: br0, mac: "02:00:00:00:00:08" }',
    '02:00:00:00:00:09',
  ],
  ['interface: { name: br0, mtu: 1400 }', 'interface: { name: br0, mtu: 1500 }', 'has an MTU of 1400'],
  [
    'route: { netns: red, dst: default, via: 10.22.0.1 }',
    'route: { netns: red, dst: default, via: 10.22.0.9 }',
    'the route is to default via 10.22.0.1',
  ],
  ['route: { dst: 10.22.0.0/16, dev: br0 }', 'route: { dst: 10.9.0.0/16 }', 'the host has no route to 10.9.0.0/16'],
  ['sysctl: { key: net.ipv4.ip_forward, value: 1 }', 'sysctl: { key: net.ipv4.ip_forward, value: 0 }', '1'],
  [
    'sysctl: { netns: red, key: net.ipv4.conf.all.arp_ignore, value: 1 }',
    'sysctl: { key: net.ipv4.conf.all.arp_ignore, value: 1 }',
    '0',
  ],
  ['masquerade: { subnet: 10.22.0.0/16 }', 'masquerade: { netns: red, subnet: 10.22.0.0/16 }', 'no rule masquerades'],
  ['ping: { from: red, to: 10.22.0.3 }', 'ping: { from: red, to: 10.22.0.77 }', 'no answer within 2 s'],
  [
    'neighbour: { netns: red, address: 10.22.0.3 }',
    'neighbour: { netns: red, address: 10.22.0.78 }',
    'red does not know 10.22.0.78',
  ],
  [
    'tcp: { from: red, to: 10.22.0.3, port: 80, listen: true }',
    'tcp: { from: red, to: 10.22.0.3, port: 80 }',
    'refused',
  ],
  [
    'tcp: { from: red, to: 203.0.113.1, port: 7 }',
    'tcp: { from: red, to: 10.22.0.1, port: 99, listen: true }',
    'no answer',
  ],
  ['udp: { from: red, to: 10.22.0.3, port: 9, listen: true }', 'udp: { from: red, to: 10.22.0.3, port: 9 }', 'refused'],
  [
    'http: { from: red, to: 203.0.113.1, contains: you are 203.0.113.2 }',
    'http: { from: red, to: 203.0.113.1, status: 404 }',
    'status 200',
  ],
  [
    'http: { from: blue, to: 10.22.0.2, port: 8080, listen: true }',
    'http: { from: red, to: 203.0.113.1, contains: you are 10.22.0.2 }',
    'you are 203.0.113.2',
  ],
  [
    'dns: { from: red, server: 203.0.113.1, name: internet.test, address: 203.0.113.1 }',
    'dns: { from: red, server: 203.0.113.1, name: nowhere.test }',
    'NXDOMAIN',
  ],
  ['seen: { from: red, as: 203.0.113.2 }', 'seen: { from: red, as: 10.22.0.2 }', '203.0.113.2'],
]

/** What both of what is expected and what is there have, if they are sentences. */
const VERB = /\b(is|has|knows?|sees?|answers?|comes?|masquerades|exists|gives|answered|does|was)\b/

it('each kind tells what holds from what does not, and says in sentences what is expected and what is there', async () => {
  await withSandbox(async (kernel) => {
    expect((await kernel.probe(['sh', '-ec', BUILT.replaceAll('\n', '; ').replaceAll('do;', 'do')])).stderr).toBe('')
    for (const [holds, fails, actual] of table) {
      expect([holds, ...(await verdict(kernel, holds))]).toEqual([holds, true, expect.any(String)])
      const wrong = await findingOf(kernel, fails)
      expect([fails, wrong.passed, wrong.actual]).toEqual([fails, false, expect.stringContaining(actual)])
      const opposite = await findingOf(kernel, `not: { ${holds} }`)
      expect([holds, opposite.passed]).toEqual([holds, false])
      for (const finding of [wrong, opposite]) {
        for (const text of [finding.expected, finding.actual])
          expect([fails, text]).toEqual([fails, expect.stringMatching(VERB)])
        expect(finding.expected).not.toBe(finding.actual)
      }
    }
    for (const [, fails] of table.filter(([, one]) => !one.startsWith('ping')))
      expect([fails, (await verdict(kernel, `not: { ${fails} }`))[0]]).toEqual([fails, true])
  })
})

/** A page in two parts, the second a while after the first. The second line is in both. */
const PARTS = Buffer.from(JSON.stringify(['one\ntw', 'o\nthree "\\é', 'the end'])).toString('base64')
const SERVER = [
  `const [first, second, third] = JSON.parse(Buffer.from('${PARTS}', 'base64'))`,
  `const answer = (_, response) => { response.write(first); setTimeout(() => response.end(second + '.'.repeat(2e5) + third), 1500) }`,
  `require('node:http').createServer(answer).listen(8080, '0.0.0.0')`,
].join('; ')

it('a page contains what is anywhere in it, however slowly it comes', async () => {
  await withSandbox(async (kernel) => {
    await kernel.probe(['ip', 'link', 'set', 'dev', 'lo', 'up'])
    // It ends with the sandbox.
    spawnOn(kernel.host, undefined, ['timeout', '20', APP.node, '-e', SERVER], { limit: 30 }).catch(() => undefined)
    const page = (text: string) =>
      verdict(kernel, `{ http: { from: host, to: 127.0.0.1, port: 8080, contains: ${JSON.stringify(text)} }, wait: 2 }`)
    expect(await Promise.all(['two', 'three "\\é', 'the end', 'one\ntwo'].map(page))).toEqual(
      Array.from({ length: 4 }, () => [true, 'the page comes with status 200: one']),
    )
    expect(await page('four')).toEqual([false, expect.stringContaining("nowhere 'four'")])
  })
})

it('`wait` tries again until it holds, and not longer than it says', async () => {
  await withSandbox(async (kernel) => {
    const later = kernel.probe(['sh', '-c', 'sleep 1; ip link add name br0 type bridge'])
    const started = performance.now()
    expect((await verdict(kernel, '{ interface: { name: br0 }, wait: 5 }'))[0]).toBe(true)
    expect(performance.now() - started).toBeLessThan(4000)
    await later
    const again = performance.now()
    expect((await verdict(kernel, '{ not: { interface: { name: br0 } }, wait: 1 }'))[0]).toBe(false)
    expect(performance.now() - again).toBeGreaterThan(1000)
  })
})

it('nothing is said of what could not be tried', async () => {
  await withSandbox(async (kernel) => {
    for (const check of ['ping: { from: gone, to: 10.0.0.1 }', 'tcp: { from: gone, to: 10.0.0.1, port: 1 }'])
      expect([check, (await verdict(kernel, `not: { ${check} }`))[0]]).toEqual([check, false])
  })
})

it.each([
  ['tcp', { from: 'red', to: '10.0.0.1', port: '0' }, 'not a port'],
  ['interface', { name: 'x', mac: '2' }, 'not a MAC address'],
  ['interface', { name: 'x', up: 'maybe' }, 'neither true nor false'],
  ['http', { from: 'red', to: '10.0.0.1', path: '-x' }, 'one word'],
  ['sysctl', { key: 'kernel.x', value: '1' }, 'not a sysctl'],
  ['route', { dst: '10.0.0.1/8' }, 'not a destination'],
] as const)('%s refuses %j', (kind, params, message) => {
  expect(() => parseClaim(kind, params)).toThrow(message)
})
