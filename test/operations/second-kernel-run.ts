// A program for second-kernel.test.ts, which runs it as root of a machine of its own, with a kernel that has what others lack.
// It does operations, judges, mends and undoes them there, and prints a line of JSON for each.
import { MACHINE } from '../../src/kernel/host.ts'
import { kernelOf } from '../../src/kernel/kernel.ts'
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

for (const row of ROWS) {
  const what = JSON.stringify(row[0])
  const said = await tryOne(row).catch((error: unknown) => [String(error)])
  console.log(`ROW ${JSON.stringify({ what, said })}`)
}
