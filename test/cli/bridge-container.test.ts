import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { cli, onEmptyMachine, onMachine, program, removeSandboxes } from '../helpers.ts'

const folder = mkdtempSync(join(tmpdir(), 'cnilab-bridge-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
beforeEach(removeSandboxes)

const inside = async (command: string) => (await cli(['exec', '--', 'sh', '-c', command])).stdout

/** Everything of the host that a container on a bridge may leave. */
const DUMP =
  'ip -br link | cut -d" " -f1; nft list ruleset; cat /proc/sys/net/ipv4/ip_forward; find /var/lib/cni -type f ! -name lock ! -name ".*" ! -name "last_*"'

const resultSchema = z.object({
  cniVersion: z.string(),
  interfaces: z.array(z.object({ name: z.string(), mac: z.string(), sandbox: z.string().optional() })),
  ips: z.array(z.object({ address: z.string(), gateway: z.string().optional(), interface: z.number() })),
})
const errorSchema = z.object({ code: z.number(), msg: z.string(), details: z.string() })

it('puts a container on the bridge as the seed has it, checks it, and takes all of it away again', async () => {
  await cli(['netns', 'create', 'red'])
  const before = await inside(DUMP)
  const added = await cli(['bridge', 'add', '2e34dcf34', 'red'])
  expect(added.code).toBe(0)
  for (const step of ['1/6 Create the bridge (step 2)', '6/6 Forward, and masquerade (step 8)'])
    expect(added.stdout).toContain(`✔ ${step}`)
  expect(await inside('ip -n red -br address show eth0; ip -n red route; ip -br address show cni0')).toMatch(
    /10\.22\.0\.2\/16[^]*default via 10\.22\.0\.1[^]*10\.22\.0\.1\/16/,
  )
  expect((await cli(['exec', '--netns', 'red', '--', 'ping', '-c1', '-W2', '203.0.113.1'])).code).toBe(0)
  expect((await cli(['bridge', 'check', '2e34dcf34', 'red'])).code).toBe(0)
  const made = await inside(DUMP)
  const dry = await cli(['bridge', 'del', '2e34dcf34', 'red', '--dry-run'])
  expect(dry.stdout.trim().split('\n')).toEqual([
    expect.stringMatching(/^ip link delete dev veth[0-9a-f]{11}$/),
    'nft delete table ip cnilab_network_mynet',
    'ip link delete dev cni0',
  ])
  expect(await inside(DUMP)).toBe(made)
  const deleted = await cli(['bridge', 'del', '2e34dcf34', 'red'])
  expect(deleted).toMatchObject({ code: 0, stderr: '' })
  expect(await inside(DUMP)).toBe(before)
  const again = await cli(['bridge', 'del', '2e34dcf34', 'red'])
  expect(again.code).toBe(0)
  expect(again.stdout).toContain('Nothing to do')
})

it('the bridge and its rules stay for those who are still on it', async () => {
  await cli(['netns', 'create', 'red'])
  await cli(['netns', 'create', 'blue'])
  const before = await inside(DUMP)
  await cli(['bridge', 'add', 'a', 'red'])
  await cli(['bridge', 'add', 'b', '/var/run/netns/blue'])
  await cli(['bridge', 'del', 'a', 'red'])
  expect((await cli(['bridge', 'check', 'b', 'blue'])).code).toBe(0)
  expect((await cli(['exec', '--netns', 'blue', '--', 'ping', '-c1', '-W2', '203.0.113.1'])).code).toBe(0)
  await cli(['exec', '--', 'ip', 'netns', 'delete', 'blue'])
  expect((await cli(['bridge', 'del', 'b', 'blue'])).code).toBe(0)
  expect((await inside(DUMP)).replace(/^blue\n/m, '')).toBe(before)
})

it('--json is the CNI result, and an error as the CNI spec has it', async () => {
  await cli(['netns', 'create', 'red'])
  const { stdout } = await cli(['bridge', 'add', 'a', 'red', '--json'])
  const { interfaces, ips } = resultSchema.parse(JSON.parse(stdout))
  expect(interfaces.map(({ name }) => name)).toEqual(['cni0', expect.stringMatching(/^veth[0-9a-f]{11}$/), 'eth0'])
  expect(interfaces[2]?.sandbox).toBe('/run/netns/red')
  expect(ips).toEqual([{ address: '10.22.0.2/16', gateway: '10.22.0.1', interface: 2 }])
  const again = await cli(['bridge', 'add', 'a', 'red', '--json'])
  expect(again.code).toBe(1)
  expect(errorSchema.parse(JSON.parse(again.stdout))).toMatchObject({
    code: 101,
    msg: expect.stringContaining('already has an interface eth0'),
    details: expect.stringContaining('cnilab bridge del a red'),
  })
  // What a runtime made can be taken off in the same way, and the reverse: they share names and cache.
  expect((await cli(['cni', 'del', 'mynet', 'red', '--cid', 'a'])).code).toBe(0)
  expect(await inside('ip -n red -br link')).not.toContain('eth0')
  expect((await cli(['cni', 'add', 'mynet', 'red', '--cid', 'b'])).code).toBe(0)
  await cli(['bridge', 'del', 'b', 'red'])
  expect(await inside('ip -br link; nft list ruleset')).not.toMatch(/cni0|veth|cnilab/)
})

it('takes another network from a file, and refuses what is none', async () => {
  await cli(['netns', 'create', 'red'])
  const ipam = { type: 'host-local', ranges: [[{ subnet: '10.9.0.0/24' }], [{ subnet: 'fd09::/64' }]] }
  const file = join(folder, 'two.conf')
  writeFileSync(
    file,
    JSON.stringify({ cniVersion: '0.4.0', name: 'two', type: 'bridge', bridge: 'br9', isDefaultGateway: true, ipam }),
  )
  const { code, stdout } = await cli(['bridge', 'add', 'a', 'red', '--config', file, '--json'])
  expect(code).toBe(0)
  expect(resultSchema.parse(JSON.parse(stdout)).ips.map(({ address }) => address)).toEqual([
    '10.9.0.2/24',
    'fd09::2/64',
  ])
  expect(await inside('ip -n red -6 route show default')).toContain('fd09::1')
  // It is known then what network the container is on, also without the file.
  rmSync(file)
  expect(await cli(['bridge', 'check', 'a', 'red'])).toMatchObject({ code: 0, stderr: '' })
  expect((await cli(['bridge', 'del', 'a', '/var/run/netns/red'])).stdout).toContain(
    'a is detached from the network two',
  )
  expect(await inside('ip -br link')).not.toMatch(/br9|veth/)
  for (const [text, words] of [
    ['{', 'JSON'],
    [JSON.stringify({ name: 'x', type: 'macvlan' }), 'has no plugin of type bridge'],
    [JSON.stringify({ name: 'x', type: 'bridge', vlan: 5000 }), '"vlan"'],
  ] as const) {
    writeFileSync(join(folder, 'bad.conf'), text)
    const run = await cli(['bridge', 'add', 'a', 'red', '--config', join(folder, 'bad.conf')])
    expect(run).toMatchObject({ code: 2, stderr: expect.stringContaining(words) })
  }
  expect(await inside('ip -n red -br link')).not.toContain('eth0')
})

it('a step that is refused leaves nothing, and gives the address back', async () => {
  await cli(['netns', 'create', 'red'])
  await cli(['exec', '--', 'ip', 'link', 'add', 'name', 'cni0', 'type', 'dummy'])
  await cli(['exec', '--', 'ip', 'link', 'add', 'name', 'cni0', 'type', 'veth', 'peer', 'name', 'other'])
  const before = await inside(DUMP)
  const run = await cli(['bridge', 'add', 'a', 'red'])
  expect(run).toMatchObject({ code: 1, stderr: expect.stringContaining('cni0 is a veth, not a bridge') })
  expect(await inside(DUMP)).toBe(before)
})

it('touches nothing of other containers, of other networks, or made by hand', async () => {
  for (const name of ['red', 'blue']) await cli(['netns', 'create', name])
  await cli(['bridge', 'create', 'cni0'])
  const made = await inside('ip -br link | cut -d" " -f1')
  expect((await cli(['bridge', 'del', 'nobody', 'red'])).stdout).toContain('Nothing to do')
  await cli(['bridge', 'add', 'alice', 'red'])
  const again = await cli(['bridge', 'add', 'bob', 'red'])
  expect(again.stderr).toContain('cnilab bridge del alice red removes container alice from mynet first')
  const before = await inside('ip -n red -br address; ip -n red route; nft list ruleset')
  expect((await cli(['bridge', 'del', 'bob', 'red'])).stdout).toContain('Nothing to do')
  expect(await inside('ip -n red -br address; ip -n red route; nft list ruleset')).toBe(before)
  expect((await cli(['bridge', 'check', 'alice', 'red'])).code).toBe(0)
  expect((await cli(['bridge', 'delete', 'cni0'])).stderr).toContain(
    'cnilab bridge del alice NETNS removes a container',
  )
  await cli(['bridge', 'del', 'alice', 'red'])
  expect(await inside('ip -br link | cut -d" " -f1')).toBe(made)

  // Without masquerading nothing else tells that somebody needs forwarding.
  const ipam = { type: 'host-local', subnet: '10.9.0.0/24' }
  const file = join(folder, 'plain.conf')
  writeFileSync(
    file,
    JSON.stringify({ cniVersion: '1.1.0', name: 'plain', type: 'bridge', bridge: 'br9', isGateway: true, ipam }),
  )
  await cli(['bridge', 'add', 'a', 'red', '--config', file])
  await cli(['bridge', 'add', 'b', 'blue', '--config', file])
  await cli(['bridge', 'del', 'a', 'red', '--config', file])
  expect((await cli(['bridge', 'check', 'b', 'blue', '--config', file])).code).toBe(0)
  await cli(['bridge', 'del', 'b', 'blue', '--config', file])
  expect(await inside('ip -br link')).not.toContain('br9')
})

it('check finds what is missing', async () => {
  await cli(['netns', 'create', 'red'])
  await cli(['bridge', 'add', 'a', 'red'])
  await cli(['exec', '--', 'sysctl', '-w', 'net.ipv4.ip_forward=0'])
  const run = await cli(['bridge', 'check', 'a', 'red'])
  expect(run).toMatchObject({ code: 1, stdout: expect.stringContaining('net.ipv4.ip_forward is 0') })
  expect(await cli(['bridge', 'check', 'nobody', 'red'])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('cnilab bridge add nobody red'),
  })
})

it('shows what it would do, and does nothing', async () => {
  const dry = await cli(['bridge', 'add', 'a', 'red', '--dry-run'])
  expect(dry.stdout).toContain('ip -n red address add 10.22.0.2/16 dev eth0')
  expect(dry.stderr).toContain('example')
  expect((await cli(['bridge', 'add', 'a', 'red', '--explain'])).stdout).toContain('A bridge is a virtual switch')
  const addresses = async (ipam: object) => {
    const file = join(folder, 'dry.conf')
    writeFileSync(file, JSON.stringify({ cniVersion: '1.0.0', name: 'dry', type: 'bridge', ipam }))
    const { stdout } = await cli(['bridge', 'add', 'a', 'red', '--config', file, '--dry-run'])
    return stdout.match(/(?<=address add )\S+/g)
  }
  const range = { subnet: '10.9.0.0/24', rangeStart: '10.9.0.40' }
  expect(await addresses({ type: 'host-local', ranges: [[range], [{ subnet: 'fd09::/64' }]] })).toEqual([
    '10.9.0.40/24',
    'fd09::2/64',
  ])
  expect(await addresses({ type: 'static', addresses: [{ address: '10.9.0.7/24' }] })).toEqual(['10.9.0.7/24'])
  expect(await addresses({ type: 'dhcp' })).toEqual(null)
  expect((await cli(['sandbox', 'list'])).stdout).not.toContain('default')
})

it.each([
  [['bridge', 'del', 'cni0'], 'cnilab bridge delete cni0'],
  [['bridge', 'delete', 'a', 'red'], 'cnilab bridge del a red'],
  [['bridge', 'add', 'cni0'], 'cnilab bridge create cni0'],
  [['bridge', 'create', 'a', 'red'], 'cnilab bridge add a red'],
  [['bridge', 'add', '-x-', 'red'], 'nonexistent flag'],
  [['bridge', 'add', 'a/b', 'red'], 'is not a container id'],
])('%j says what was meant', async (argv, words) => {
  expect(await cli(argv)).toMatchObject({ code: 2, stderr: expect.stringMatching(new RegExp(words, 'i')) })
})

it('names what is missing, and --host where the machine has it', async () => {
  const none = await cli(['bridge', 'add', 'a', 'red'])
  expect(none).toMatchObject({ code: 1, stderr: expect.stringContaining('cnilab netns create red') })
  const here = await cli(['bridge', 'add', 'a', '/proc/self/ns/net2'])
  expect(here.code).toBe(1)
})

it('--host does it on the machine, and clean --host or del undoes it', () => {
  const { stdout } = onEmptyMachine(`exec 2>&1; mkdir /run/netns; mount -t tmpfs lib /var/lib
    cnilab() { NO_COLOR=1 "${process.execPath}" "${program}" "$@"; }
    dump() { ip -br link; nft list ruleset; cat /proc/sys/net/ipv4/ip_forward; }
    ip netns add red; dump >/run/before
    cnilab bridge add a red --host >/dev/null || echo failed; ip -n red -br address show eth0 | grep -o 10.22.0.2
    cnilab bridge del a red --host >/dev/null || echo failed; dump >/run/after; diff /run/before /run/after && echo as before
    cnilab bridge add a red --host >/dev/null || echo failed
    cnilab clean --host >/dev/null; dump >/run/after; diff /run/before /run/after && echo as before`)
  expect(stdout).toBe('10.22.0.2\nas before\nas before\n')
})

describe('bridge add does what the plugin does with the same configuration', () => {
  const ipam = { type: 'host-local', subnet: '10.9.0.0/24', routes: [{ dst: '0.0.0.0/0' }] }
  const ROUTER = `ip -n red link add name x type veth peer name y; ip -n red address add 10.2.0.2/24 dev x
    ip -n red link set dev x up; ip -n red link set dev y up; ip -n red route add default via 10.2.0.1`
  const OTHER = 'cnilab bridge create br9 --host >/dev/null; ip address add 10.1.0.1/16 dev br9'
  const THEIRS = 'ip link add name br9 type bridge; ip address add 10.1.0.1/16 dev br9'
  const SIX = { ipam: { type: 'host-local', ranges: [[{ subnet: 'fd09::/64' }]] } }
  const UNREACHABLE = { ...ipam, routes: [{ dst: '192.0.2.0/24', gw: '172.31.0.1' }] }

  /** What `act` leaves with a configuration after `before`, without what is by chance: MAC addresses, indexes, timers. */
  function after(act: string, keys: object, before: string) {
    const config = { cniVersion: '1.0.0', name: 'lab', type: 'bridge', bridge: 'br9', isGateway: true, ipam, ...keys }
    const output = onMachine(`mkdir /run/conf; echo '${JSON.stringify(config)}' >/run/conf/lab.conf; ip netns add red
      ${before}; cnilab ${act} --host --json >/run/json 2>/run/notices; echo "exit $?"; grep '"code"' /run/json; sleep 0.1
      for n in '' '-n red'; do ip -o $n -d link; ip -o $n address; ip $n route; ip $n -6 route; done
      nft list ruleset; sysctl net.ipv4.ip_forward net.ipv6.conf.all.forwarding; find /var/lib/cni/networks -name '10.*'`)
    return output
      .replaceAll(/^\d+: |(index|if)\d+|link-netns(id)? \S+|\S+timer +\S+/gm, '')
      .replaceAll(/(bridge_id|designated_\w+|link\/ether) \S+|^.*fe80.*\n/gm, '')
      .replaceAll(/ +/g, ' ')
  }

  it.each([
    ['in a container with a default route', { ipMasq: true, hairpinMode: true, mtu: 1400 }, ROUTER, 0, 'eth0 metric 1'],
    [
      'with IPv6 where the runtime turned it off',
      SIX,
      'ip netns exec red sysctl -qw net.ipv6.conf.default.disable_ipv6=1',
      0,
      'eth0 inet6 fd09::2/64',
    ],
    ['on a bridge that has another address', {}, THEIRS, 101, 'br9 inet 10.1.0.1/16'],
    ['on such a bridge of ours with forceAddress', { forceAddress: true }, OTHER, 0, 'br9 inet 10.9.0.1/24'],
    ['that fails after that', { forceAddress: true, ipam: UNREACHABLE }, OTHER, 100, 'br9 inet 10.1.0.1/16'],
  ])('%s', (_where, keys, before, code, expected) => {
    const taught = after('bridge add c red --config /run/conf/lab.conf', keys, before)
    expect(taught).toMatch(code === 0 ? /^exit 0\n/ : new RegExp(`^exit 1\n "code": ${code}`))
    expect(taught).toContain(expected)
    expect(after('cni add lab red --cid c --conf-dir /run/conf', keys, before)).toBe(taught)
  })

  it('but leaves a bridge of others on the machine alone, with its address', () => {
    const output = after('bridge add c red --config /run/conf/lab.conf', { forceAddress: true }, THEIRS)
    expect(output).toMatch(/^exit 1\n "code": 100/)
    expect(output).toContain('br9 inet 10.1.0.1/16')
  })
})
