// A program for second-kernel.test.ts, which runs it as root of a machine of its own, with a kernel that has what others lack.
// It does operations, judges, mends and undoes them there, and prints a line of JSON for each.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { types } from '../../src/cni/plugins/types.ts'
import { setOwnFile } from '../../src/cni/programs/find-plugin.ts'
import { runPlugin } from '../../src/cni/protocol/run-plugin.ts'
import { MACHINE } from '../../src/kernel/host.ts'
import { kernelOf } from '../../src/kernel/kernel.ts'
import { passingName } from '../../src/operations/made-link.ts'
import { bindOperation, type KindName, parseOperation } from '../../src/operations/registry.ts'
import { scopeOf } from '../../src/plan/scope.ts'
import { describe, diff } from '../../src/state/diff.ts'
import type { State } from '../../src/state/state.ts'

type Item = readonly [KindName, object]

const red: Item = ['netns', { name: 'red' }]
const bridge: Item = ['bridge', { name: 'br0', vlanFiltering: true }]
const pair: Item = ['veth', { name: 'a', peer: 'b' }]
const port: Item = ['attach-bridge', { ifname: 'b', bridge: 'br0' }]
const mark = { mac: '02:00:00:00:00:01' }

/** An operation, what is done before it, and commands that make something else of it, one after the other. */
const ROWS: readonly (readonly [Item, readonly Item[], ...string[]])[] = [
  [['dummy', { name: 'd' }], [], 'ip link add name d type bridge'],
  [['dummy', { name: 'd', netns: 'red', mtu: 1400, mark }], [red], 'ip -n red link add name d type dummy'],
  [
    ['vlan', { name: 'a.10', parent: 'a', vlan: 10 }],
    [pair],
    'ip link add link a name a.10 type vlan id 11',
    'ip link add link b name a.10 type vlan id 10',
    'ip link add name a.10 type dummy',
  ],
  [
    ['vlan', { name: 'v', parent: 'd', vlan: 10, netns: 'red', mark }],
    [red, ['dummy', { name: 'd', netns: 'red' }]],
  ],
  // Of a name that the parent's namespace has, too, which kernels before 6.15 take for taken.
  [
    ['vlan', { name: 'a', parent: 'a', parentIn: 'host', vlan: 10, netns: 'red', mtu: 1400, mark }],
    [red, pair],
    `ip link add link a name ${passingName({ name: 'a', netns: 'red' })} netns red type vlan id 10`,
    'ip link add link b name other netns red type vlan id 10; ip -n red link set dev other name a',
  ],
  [
    ['macvlan', { name: 'a', parent: 'a', netns: 'red', mark }],
    [red, pair],
  ],
  [['ipvlan', { name: 'i', parent: 'a', mark }], [pair], 'ip link add link b name i type ipvlan mode l2'],
  [
    ['ipvlan', { name: 'a', parent: 'a', netns: 'red', mode: 'l3s', mtu: 1400 }],
    [red, pair],
    `ip link add link a name ${passingName({ name: 'a', netns: 'red' })} netns red type ipvlan mode l3s`,
  ],
  [bridge, [], 'ip link add name br0 type bridge'],
  [['bridge', { name: 'br0', vlanFiltering: false }], [], 'ip link add name br0 type bridge vlan_filtering 1'],
  [
    ['port-vlans', { ifname: 'b', untagged: 10, tagged: [{ first: 20, last: 22 }] }],
    [bridge, pair, port],
    'bridge vlan del dev b vid 20-22; bridge vlan add dev b vid 1',
  ],
  [
    ['port-vlans', { ifname: 'br0', tagged: [{ first: 10, last: 10 }], self: true }],
    [bridge],
    'bridge vlan add dev br0 vid 10 pvid untagged self',
  ],
]

const kernel = kernelOf(MACHINE)

/** Does, judges, mends and undoes; returns what was wrong, in words. */
async function tryOne([[kind, params], needs, ...wrong]: (typeof ROWS)[number]): Promise<string[]> {
  const before = needs.map(([one, its]) => bindOperation(parseOperation(one, its)))
  const operation = bindOperation(parseOperation(kind, params))
  const scope = scopeOf([operation])
  const said: string[] = []
  const empty = describe(await kernel.read(scope))
  await kernel.run(before.flatMap((one) => one.apply))
  const first = await kernel.read(scope)
  // Without being asked, a snapshot has VLANs wherever a bridge filters them.
  const look = async (state: State) => describe(operation.reads.vlans === true ? await kernel.read() : state)
  const shown = await look(first)
  const verdict = operation.judge(first)
  if (verdict.status !== 'absent') said.push(`${verdict.status} at first`)
  await kernel.run(operation.apply)
  const second = await kernel.read(scope)
  if (operation.judge(second).status !== 'present') said.push(`then ${operation.judge(second).actual}`)
  if (diff(shown, await look(second)).added.length === 0) said.push('no difference is shown')
  await kernel.run(operation.undo(verdict.status === 'absent' ? verdict.before : {}, second))
  for (const shell of wrong) {
    const { stderr } = await kernel.probe(['sh', '-c', shell])
    const now = await kernel.read(scope)
    const { status } = operation.judge(now)
    if (stderr !== '' || status === 'present') said.push(`${shell}: ${stderr} ${status}`)
    await kernel.run(status === 'differs' ? operation.mend(now) : operation.apply)
    const then = operation.judge(await kernel.read(scope))
    if (then.status !== 'present') said.push(`${shell}: ${then.actual}`)
    await kernel.run(operation.undo({}, await kernel.read(scope)))
  }
  const last = await kernel.read(scope)
  await kernel.run(before.toReversed().flatMap((one) => one.undo({}, last)))
  const { gone, added } = diff(empty, describe(await kernel.read(scope)))
  return [...said, ...gone.map((line) => `gone: ${line}`), ...added.map((line) => `left: ${line}`)]
}

/** A plugin with its configuration, and what is changed in the container's namespace for CHECK to see. */
const PLUGINS: readonly (readonly [{ type: string; master?: string; vlanId?: number }, string])[] = [
  [{ type: 'vlan', master: 'eth0', vlanId: 10 }, 'address 02:00:00:00:00:09'],
  [{ type: 'ipvlan', master: 'eth0' }, 'type ipvlan mode l3'],
  [{ type: 'dummy' }, 'down'],
]

const shell = (script: string) => {
  const { status, stdout, stderr } = spawnSync('sh', ['-c', script], { encoding: 'utf8' })
  return status === 0 ? stdout : `${script}: ${stdout}${stderr}`
}

const plugins = join(import.meta.dirname, '../../dist/plugins')

/** What a plugin prints, for the container of a namespace. */
async function call(command: string, netns: string, config: { type: string }): Promise<string> {
  const which = netns === '' ? {} : { CNI_CONTAINERID: netns, CNI_NETNS: `/run/netns/${netns}`, CNI_IFNAME: 'eth0' }
  const type = await types[config.type]?.()
  if (!type) throw new Error(config.type)
  let delivered = ''
  const deliver = (text: string) => void (delivered += text)
  const env = { ...which, CNI_COMMAND: command, CNI_PATH: plugins }
  setOwnFile(join(plugins, config.type)) // a process of its own for each call would take long here
  const { PATH } = process.env
  process.env['PATH'] = '/none' // by netlink: it needs no program
  const { stdout } = await runPlugin(config.type, type, env, () => JSON.stringify(config), deliver)
  process.env['PATH'] = PATH
  return delivered + stdout
}

/** Two containers at the ends of the cable eth0, by a plugin; returns what was wrong, in words. */
async function tryPlugin([{ type, master, ...keys }, change]: (typeof PLUGINS)[number]): Promise<string[]> {
  const ipam = { type: 'host-local', subnet: '10.23.0.0/16', routes: [{ dst: '0.0.0.0/0' }] }
  const config = {
    cniVersion: '1.1.0',
    name: `net-${type}`,
    type,
    ipam,
    ...keys,
    ...(master === undefined ? {} : { master }),
  }
  const said: string[] = []
  const see = (what: string, is: string, wanted: RegExp) => void (wanted.test(is) || said.push(`${what}: ${is}`))
  const all = () =>
    shell(
      `ip -br link; for n in red blue; do ip -br -n $n link; done; ls /var/lib/cni/networks/net-${type} | grep '^10'; :`,
    )
  shell(`ip netns add red; ip netns add blue; ip link add name eth0 type veth peer name far
    for i in eth0 far; do ip link set dev $i up; done; mkdir -p /var/lib/cni/networks/net-${type}`)
  const before = all()
  const added = await call('ADD', 'red', config)
  see('ADD', added, /"10\.23\.0\.2\/16"/)
  const [, mac] = /"mac": "(.*?)"/.exec(added) ?? []
  const own = `${mac} .*${type} .*alias made by cnilab for net-${type}/red/eth0`
  see('the interface', shell('ip -n red -d link show dev eth0'), new RegExp(own, 's'))
  const checked = { ...config, prevResult: JSON.parse(added) as unknown }
  see('CHECK', await call('CHECK', 'red', checked), /^$/)
  if (master !== undefined) {
    const other = { ...config, master: 'far' }
    see('ADD of the other', await call('ADD', 'blue', other), /"10\.23\.0\.3\/16"/)
    see('ping', shell('ip netns exec red ping -c1 -W2 10.23.0.3'), / 0% packet loss/)
    const valid = { 'cni.dev/valid-attachments': [{ containerID: 'red', ifname: 'eth0' }] }
    see('GC', await call('GC', '', { ...config, ...valid }), /^$/)
    see('after GC', shell('ip -n blue -br link show eth0'), /does not exist/)
  }
  shell(`ip -n red link set dev eth0 ${change}`)
  see('CHECK of what was changed', await call('CHECK', 'red', checked), /"code": 102/)
  see('DEL', await call('DEL', 'red', config), /^$/)
  const after = all()
  if (after !== before) said.push(`left: ${after}`)
  shell('ip netns delete red; ip netns delete blue; ip link delete eth0')
  return said
}

for (const row of PLUGINS)
  console.log(`ROW ${JSON.stringify({ what: JSON.stringify(row[0]), said: await tryPlugin(row) })}`)

for (const row of ROWS) {
  const what = JSON.stringify(row[0])
  const said = await tryOne(row).catch((error: unknown) => [String(error)])
  console.log(`ROW ${JSON.stringify({ what, said })}`)
}
