import { mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { cli, onMachine, removeSandboxes, runtime } from '../helpers.ts'

afterAll(removeSandboxes)

const folder = mkdtempSync(join(runtime, 'apply-'))
const file = (name: string, text: string) => {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}
const network = file(
  'network.yaml',
  `- netns: { name: red }
- veth: { name: veth-red, peer: eth0, peerNetns: red }
- bridge: { name: br0, mtu: 1400 }
- attach-bridge: { ifname: veth-red, bridge: br0 }
- address: { address: 10.22.0.2/16, ifname: eth0, netns: red }
`,
)
const sh = async (script: string) => (await cli(['exec', '--', 'sh', '-c', script])).stdout

it('brings the network of a list about, says what it changed, and changes nothing when it is repeated', async () => {
  const first = await cli(['apply', network])
  expect([first.code, first.stdout]).toEqual([0, expect.stringContaining('✔ Create the bridge br0')])
  expect(await sh('ip -n red -br address show eth0; ip link show br0')).toMatch(/10\.22\.0\.2\/16[^]*mtu 1400/)
  await sh(
    'ip link set dev br0 mtu 1500; ip link set dev veth-red nomaster; ip -n red address flush dev eth0; ip -n red address add 10.22.0.2/24 dev eth0',
  )
  const second = await cli(['apply', network])
  expect(second.stdout.split('\n')).toEqual([
    '= Already there: namespace red exists',
    '= Already there: veth-red and eth0 are the ends of a veth pair',
    '✔ Changed: br0 is a bridge with the MTU 1400',
    '  $ ip link set dev br0 mtu 1400',
    '✔ Plug veth-red into the bridge br0',
    '  $ ip link set dev veth-red master br0',
    '✔ Changed: eth0 in namespace red has 10.22.0.2/16',
    '  $ ip -n red address delete 10.22.0.2/24 dev eth0',
    '  $ ip -n red address add 10.22.0.2/16 dev eth0',
    '',
  ])
  const third = JSON.parse((await cli(['apply', network, '--json'])).stdout)
  expect(third).toMatchObject({ ok: true })
  expect(third.operations.map(({ status }: { status: string }) => status)).toEqual(Array(5).fill('already'))
}, 60_000)

it.each<[text: string, why: string]>([
  ['- brige: { name: x }', ":1:3: unknown operation 'brige': did you mean 'bridge'?"],
  ['- bridge: { nmae: x }', 'nmae'],
  ['- 7', 'an operation names its kind'],
  ['- bridge: { name: "${x}" }', '${x} is not known'],
  ['text', 'neither a list of operations, such as - bridge: {name: cni0}, nor a lab'],
  ['', 'neither a list of operations'],
  ['- bridge: { name: x, mtu: 99999999999999999999 }', 'mtu: an MTU is from 68 to 65535 bytes'],
  ['- veth: { name: a, peer: b, mtu: 67 }', 'an MTU is from 68 to 65535'],
  ['- route: { dst: default, via: 10.0.0.1, priority: 4294967296 }', 'a number is at most 4294967295'],
  ['- bridge: { name: x, netns: a/b }', "netns: namespace name 'a/b' must begin with a letter or digit"],
  ['- bridge: { name: x, netns: "" }', "netns: namespace name '' must begin with"],
  ['- bridge: { name: x, netns: host }', "netns: namespace name 'host' is reserved"],
  ['- bridge: { name: x, netns: internet }', "netns: namespace name 'internet' is reserved"],
  ...(
    [
      [
        '{ sysctl: { key: net.ipv4.ip_forward, value: 1 } }, { sysctl: { key: net.ipv4.ip_forward, value: 0 } }',
        'net.ipv4.ip_forward is 1) and sysctl: {key: net.ipv4.ip_forward, value: 0}',
      ],
      [
        '{ attach-bridge: { ifname: a, bridge: x } }, { attach-bridge: { ifname: a, bridge: y } }',
        'a is a port of x) and attach-bridge: {ifname: a, bridge: y}',
      ],
      [
        '{ attach-netns: { ifname: a, netns: red } }, { attach-netns: { ifname: a, netns: blue } }',
        'a is in namespace red) and attach-netns: {ifname: a, netns: blue}',
      ],
      [
        '{ bridge: { name: x, mtu: 1400 } }, { bridge: { name: x, mtu: 1500 } }',
        'with the MTU 1400) and bridge: {name: x, mtu: 1500}',
      ],
      ['{ bridge: { name: x } }, { veth: { name: y, peer: x } }', 'x is a bridge) and veth: {name: y, peer: x}'],
      ['{ veth: { name: y, peer: x } }, { veth: { name: x, peer: z } }', 'veth: {name: y, peer: x} (y and x are'],
      [
        '{ address: { address: 10.1.0.1/16, ifname: x } }, { address: { address: 10.1.0.1/24, ifname: x } }',
        'x has 10.1.0.1/16) and address',
      ],
      [
        '{ route: { dst: default, via: 10.1.0.1 } }, { route: { dst: default, via: 10.1.0.2 } }',
        'default goes via 10.1.0.1) and route',
      ],
    ] as const
  ).map(([items, why]): [string, string] => [`[${items}]`, why]),
])('%j is refused before anything is touched', async (text, why) => {
  const { code, stderr } = await cli(['apply', file('bad.yaml', text), '--sandbox', 'untouched'])
  expect([code, stderr]).toEqual([2, expect.stringContaining(why)])
  expect((await cli(['sandbox', 'list'])).stdout).not.toContain('untouched')
})

it('a list has no parameters to set', async () => {
  const { code, stderr } = await cli(['apply', network, '--set', 'nope=1', '--dry-run'])
  expect([code, stderr]).toEqual([2, expect.stringContaining("a list has no parameter 'nope'")])
})

it('does once what is listed several times, with all that is said of it', async () => {
  const twice = file(
    'twice.yaml',
    `- netns: { name: red }
- netns: { name: red }
- { bridge: { name: br2 }, repeat: 3 }
- bridge: { name: br2, mtu: 1400 }
- veth: { name: q, peer: w }
- veth: { name: w, peer: q, mtu: 1400 }
- attach-bridge: { ifname: q, bridge: br2 }
- attach-bridge: { ifname: q, bridge: br2, hairpin: true }
- address: { address: 10.66.0.1/24, ifname: br2 }
- address: { address: 10.66.0.1/24, ifname: br2 }
- up: { ifname: w }
- attach-netns: { ifname: w, netns: red }
- veth: { name: p, peer: w }
- up: { ifname: w }
- masquerade: { subnet: 10.66.0.0/24 }
- masquerade: { subnet: 10.66.0.0/24 }
- route: { dst: 10.67.0.0/24, dev: w, priority: 1 }
- route: { dst: 10.67.0.0/24, dev: w, priority: 2 }
`,
  )
  const apply = async () => JSON.parse((await cli(['apply', twice, '--sandbox', 'twice', '--json'])).stdout)
  expect((await apply()).operations).toHaveLength(12)
  expect(new Set((await apply()).operations.map(({ status }: { status: string }) => status))).toEqual(
    new Set(['already']),
  )
  const look = 'ip link show br2; ip link show q; bridge -d link show dev q; nft list ruleset | grep -c saddr'
  const { stdout } = await cli(['exec', '--sandbox', 'twice', '--', 'sh', '-c', look])
  expect(stdout).toMatch(/br2:[^\n]*mtu 1400[^]*q@[^\n]*mtu 1400[^]*hairpin on[^]*\n1\n$/)
}, 60_000)

it('applies a lab that ships, with its parameters; --dry-run runs nothing', async () => {
  const { code, stdout } = await cli(['apply', 'eight-steps', '--set', 'subnet=10.99.0.0/16', '--dry-run'])
  expect([code, stdout]).toEqual([0, expect.stringContaining('nft add table ip cnilab_10_99_0_0_16')])
})

it('--dry-run shows what is missing or different, which brings the state about when it is typed, and changes nothing', async () => {
  const text = `- netns: { name: red }
- veth: { name: va, peer: eth0, peerNetns: red, mtu: 1400 }
- bridge: { name: br1 }
- attach-bridge: { ifname: va, bridge: br1 }
- address: { address: 10.33.0.2/16, ifname: eth0, netns: red }
- up: { ifname: va }
- up: { ifname: eth0, netns: red }
- route: { dst: default, via: 10.33.0.1, netns: red }
- port-forwarding: { family: ip, netns: red }
- masquerade: { subnet: 10.33.0.0/16 }
`
  const list = file('partial.yaml', text)
  const dry = async (...more: string[]) => (await cli(['apply', list, '--sandbox', 'dry', '--dry-run', ...more])).stdout
  const inside = async (script: string) => (await cli(['exec', '--sandbox', 'dry', '--', 'sh', '-ec', script])).stdout
  const whole = await dry()
  expect(whole.split('\n')[0]).toBe('ip netns add red')
  expect((await cli(['sandbox', 'list'])).stdout).not.toContain('dry')

  await cli(['apply', list, '--sandbox', 'dry'])
  expect(await dry()).toBe('')
  expect(JSON.parse(await dry('--json')).operations[0]).toMatchObject({ status: 'already', commands: [] })
  // The cable leads elsewhere and has another MTU, the bridge is no bridge, and the rules are gone.
  await inside(`ip -n red link set dev eth0 mtu 1300; ip link delete dev br1; ip link add name br1 type dummy 2>/dev/null ||
    ip link add name br1 type veth peer name other; ip -n red address flush dev eth0
    ip -n red address add 10.33.0.2/24 dev eth0; ip netns exec red nft flush ruleset`)
  const look = 'ip -br address; ip -n red -br address; ip -n red route; ip netns exec red nft list ruleset'
  const before = await inside(look)
  const commands = await dry()
  expect(await inside(look)).toBe(before)
  expect(commands).not.toBe(whole)
  expect(commands.split('\n').filter((line) => !/nft|masquerade/.test(line))).toEqual([
    'ip -n red link set dev eth0 mtu 1400',
    'ip link delete dev br1',
    'ip link add name br1 type bridge',
    'ip link set dev va master br1',
    'ip -n red address delete 10.33.0.2/24 dev eth0',
    'ip -n red address add 10.33.0.2/16 dev eth0',
    'ip -n red route add default via 10.33.0.1',
    '',
  ])
  expect(commands).not.toContain('10_33_0_0')
  await inside(commands)
  expect(await dry()).toBe('')
  const { operations } = JSON.parse((await cli(['apply', list, '--sandbox', 'dry', '--json'])).stdout)
  expect(new Set(operations.map(({ status }: { status: string }) => status))).toEqual(new Set(['already']))
}, 60_000)

it('--dry-run refuses what apply would refuse, also before there is a sandbox', async () => {
  const at = ['--sandbox', 'refusing']
  const lists = [
    '- bridge: { name: eth0 }',
    '- up: { ifname: eth0 }\n- bridge: { name: b }\n- attach-bridge: { ifname: eth0, bridge: b }',
    '- netns: { name: red }\n- up: { ifname: eth1, netns: red }',
    '- address: { address: 10.1.0.1/24, ifname: lo, netns: nowhere }',
  ].map((text, i) => file(`refused-${i}.yaml`, text))
  const all = async (...more: string[]) => {
    const said: [number | null, string][] = []
    for (const list of lists) {
      const { code, stderr } = await cli(['apply', list, ...at, ...more])
      said.push([code, stderr])
    }
    return said
  }
  const anew = await all('--dry-run')
  expect((await cli(['sandbox', 'list'])).stdout).not.toContain('refusing')
  await cli(['exec', ...at, '--', 'true'])
  const real = await all()
  expect(real.map(([code]) => code)).toEqual(lists.map(() => 1))
  expect(anew).toEqual(real)
  expect(await all('--dry-run')).toEqual(real)
}, 60_000)

it('brings about a list in any order, and takes its addresses from where they do not belong', async () => {
  const list = file(
    'any-order.yaml',
    `- attach-bridge: { ifname: va, bridge: br1 }
- address: { address: 10.35.0.2/16, ifname: eth0, netns: red }
- address: { address: 10.35.0.1/16, ifname: br1 }
- route: { dst: default, via: 10.35.0.1, netns: red }
- up: { ifname: eth0, netns: red }
- up: { ifname: va }
- up: { ifname: br1 }
- veth: { name: va, peer: eth0, peerNetns: red }
- bridge: { name: br1 }
- netns: { name: red }
`,
  )
  const at = ['--sandbox', 'any']
  const dry = async () => (await cli(['apply', list, ...at, '--dry-run'])).stdout
  const inside = async (script: string) => (await cli(['exec', ...at, '--', 'sh', '-ec', script])).stdout
  const commands = (await dry()).split('\n').filter((line) => line !== '')
  const first = JSON.parse((await cli(['apply', list, ...at, '--json'])).stdout)
  expect(first.operations.flatMap((one: { commands: string[] }) => one.commands)).toEqual(commands)
  const look = 'ip -4 -br address; ip -4 -n red -br address; ip -n red route; ip -n blue -4 -br address'
  // The same network beside it is nobody's business here; what is at the wrong end of our own cable is.
  await inside(`ip netns add blue; ip -n blue link add name eth0 type bridge; ip -n blue address add 10.35.0.2/16 dev eth0
    ip address add 10.35.7.7/16 dev br1`)
  const before = await inside(look)
  await inside(`ip -n red address flush dev eth0; ip address add 10.35.0.2/16 dev va
    ip -n red address add 10.35.0.1/16 dev lo`)
  const wrong = [
    '10.35.0.2/16 is on va on the host, and belongs to eth0 in namespace red',
    '10.35.0.1/16 is on lo in namespace red, and belongs to br1',
  ]
  expect((await dry()).split('\n')).toEqual([
    'ip address delete 10.35.0.2/16 dev va',
    'ip -n red address delete 10.35.0.1/16 dev lo',
    'ip -n red address add 10.35.0.2/16 dev eth0',
    'ip -n red route add default via 10.35.0.1',
    '',
  ])
  const { stdout } = await cli(['apply', list, ...at])
  for (const one of wrong) expect(stdout).toContain(`✔ Put right: ${one}\n`)
  expect(await inside(look)).toBe(before)
  const again = JSON.parse((await cli(['apply', list, ...at, '--json'])).stdout)
  expect([again.corrections, new Set(again.operations.map(({ status }: { status: string }) => status))]).toEqual([
    undefined,
    new Set(['already']),
  ])
}, 60_000)

it('what was there before stays when a later command is refused, and the error says how', async () => {
  const there = file(
    'there.yaml',
    `- netns: { name: red }
- veth: { name: kept, peer: eth0, peerNetns: red }
- address: { address: 10.44.0.2/16, ifname: eth0, netns: red }
- up: { ifname: eth0, netns: red }
`,
  )
  const refused = file(
    'refused.yaml',
    `- bridge: { name: new }
- veth: { name: kept, peer: eth0, peerNetns: red, mtu: 1400 }
- bridge: { name: other }
- attach-bridge: { ifname: new, bridge: other }
`,
  )
  const apply = (list: string) => cli(['apply', list, '--sandbox', 'kept'])
  const inside = async (script: string) => (await cli(['exec', '--sandbox', 'kept', '--', 'sh', '-c', script])).stdout
  await apply(there)
  const { code, stderr } = await apply(refused)
  expect([code, stderr]).toEqual([1, expect.stringContaining('left so: kept and eth0 are the ends of a veth pair')])
  const shown = await inside('ip link; ip -n red address show dev eth0')
  expect(shown).toMatch(/kept@if[^]*mtu 1400[^]*10\.44\.0\.2\/16/)
  expect(shown).not.toContain('new')
}, 60_000)

const lacking = onMachine('ip link add name d type dummy 2>&1 || true').includes('Unknown device type')

it.runIf(lacking)('what the kernel lacks is a fault of the machine, and its module is named', async () => {
  const list = file('lacking.yaml', '- bridge: { name: br8 }\n- dummy: { name: d }\n')
  const { code, stderr } = await cli(['apply', list])
  expect([code, stderr]).toEqual([3, expect.stringMatching(/ip link add name d type dummy[^]*modprobe -a dummy/)])
  expect(await sh('ip link show br8 2>&1')).toContain('does not exist')
})

it('a folder in the place of a namespace stays, and the command that removes it is named', async () => {
  const list = file('folder.yaml', '- netns: { name: green }\n')
  await cli(['exec', '--', 'mkdir', '-p', '/run/netns/green'])
  const [dry, real] = [await cli(['apply', list, '--dry-run']), await cli(['apply', list])]
  expect([dry.code, dry.stderr]).toEqual([1, real.stderr])
  expect([real.code, real.stderr]).toEqual([1, expect.stringContaining('cnilab exec -- rm -d /run/netns/green')])
})

it('--host changes what bears our mark, and names what does not', () => {
  const output = onMachine(`
    printf '%s\\n' '- bridge: { name: br0, mtu: 1400 }' '- netns: { name: red }' >/run/list.yaml
    cnilab apply /run/list.yaml --host --dry-run >/run/dry; cnilab apply /run/list.yaml --host | sed -n 's/^  \\$ //p' | diff /run/dry -
    cnilab veth pair va vb --host --dry-run >/run/dry; cnilab veth pair va vb --host | sed -n 's/^  \\$ //p' | diff /run/dry -
    cnilab veth delete va --host >/dev/null; ip link set dev br0 mtu 1500
    cnilab apply /run/list.yaml --host --dry-run
    cnilab apply /run/list.yaml --host | grep Changed
    ip link delete dev br0; ip link add name br0 type bridge
    cnilab apply /run/list.yaml --host >/dev/null; echo $?; ip link show br0 | grep -o 'mtu [0-9]*'
    ip link delete dev br0; cnilab clean --host >/dev/null; ip -br link | cut -d' ' -f1`)
  expect(output).toMatch(/^ip link set dev br0 mtu 1400\n✔ Changed: br0 is a bridge with the MTU 1400\n/)
  expect(output).toContain('br0 is a bridge with the MTU 1500')
  expect(output).toMatch(/\n1\nmtu 1500\nlo\n$/)
})

it('--host takes an address of the list from what cnilab made, and only names it where it is on something else', () => {
  const output = onMachine(`
    printf '%s\\n' '- address: { address: 10.36.0.1/24, ifname: br0 }' '- bridge: { name: br0 }' '- veth: { name: va, peer: vb }' >/run/list.yaml
    cnilab apply /run/list.yaml --host >/dev/null; ip link add name theirs type bridge
    ip address add 10.36.0.1/24 dev va; ip address add 10.36.0.1/24 dev theirs
    cnilab apply /run/list.yaml --host; ip -br -4 address | cut -d' ' -f1
    ip link delete theirs; cnilab clean --host >/dev/null; ip -br link | cut -d' ' -f1`)
  expect(output).toContain(
    '✔ Put right: 10.36.0.1/24 is on va on the host, and belongs to br0\n  $ ip address delete 10.36.0.1/24 dev va\n',
  )
  expect(output).toContain(
    'left as it is, because cnilab did not make it: 10.36.0.1/24 is on theirs on the host, and belongs to br0\n',
  )
  expect(output).toMatch(/\nbr0\ntheirs\nlo\n$/)
})
