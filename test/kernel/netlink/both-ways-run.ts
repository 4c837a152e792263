// A program for both-ways.test.ts, which runs it in a network and mount namespace of its own. It does operations there, and
// mends what is wrong, by programs or by netlink, and prints the kernel's state after each as a line of JSON.
import { execFileSync } from 'node:child_process'
import { MACHINE } from '../../../src/kernel/host.ts'
import { type Kernel, kernelOf } from '../../../src/kernel/kernel.ts'
import { launcher } from '../../../src/kernel/launcher.ts'
import { netlinkKernel } from '../../../src/kernel/netlink/netlink-kernel.ts'
import { systemCalls } from '../../../src/kernel/netlink/system-calls.ts'
import { programReader } from '../../../src/kernel/program-reader.ts'
import { type Command, ip } from '../../../src/operations/operation.ts'
import { bindOperation, type KindName, parseOperation } from '../../../src/operations/registry.ts'
import { toLine } from '../../../src/plan/command-line.ts'
import { scopeOf } from '../../../src/plan/scope.ts'
import { HOST, type State } from '../../../src/state/state.ts'
import { some } from '../../long.ts'
import { ROWS, RULES_OF_RED } from '../../operations/samples.ts'
import { WRONG } from '../../operations/wrong-states.ts'

type Item = readonly [KindName, object]

/** What must be there first, what somebody does then, and an operation: it is done, or mends that. */
type Row = readonly [before: readonly Item[], shell: string | undefined, item: Item]

/** What may take long: all of both with LONG=1, else every second one. */
const rows: readonly Row[] = some<Row>(
  [
    ...[...ROWS, ...RULES_OF_RED].map(([kind, params, before]): Row => [before, undefined, [kind, params]]),
    ...WRONG.map(([, before, shell, item]): Row => [before, shell, item]),
  ],
  2,
)

const byProgram = kernelOf(MACHINE)
/** The commands that netlink left to programs. */
const left: string[] = []

/** The kernel by netlink; what it leaves to programs is noted. */
async function byNetlink(): Promise<Kernel> {
  const calls = await systemCalls()
  if (!calls) throw new Error('the C library cannot be called')
  const noting: Kernel = {
    ...byProgram,
    run: (commands, options) => {
      left.push(...commands.map((command) => toLine(command, '1')))
      return byProgram.run(commands, options)
    },
  }
  return netlinkKernel(calls, noting, programReader(MACHINE, launcher(MACHINE)))
}

const kernel = process.argv[2] === 'netlink' ? await byNetlink() : byProgram

const shell = (script: string) => execFileSync('sh', ['-c', script], { encoding: 'utf8' })

/** Random MAC addresses by the order in which they appear, and what the kernel makes of them. */
function withoutRandom(text: string): string {
  const seen: string[] = []
  const named = text.replaceAll(/"(?!ff:ff|00:00|02:00:00)([0-9a-f]{2}(?::[0-9a-f]{2}){5})"/g, (_, mac: string) => {
    if (!seen.includes(mac)) seen.push(mac)
    return `"MAC ${seen.indexOf(mac)}"`
  })
  return named
    .replaceAll(/fe80::(?!\/)[0-9a-f:]+/g, 'fe80::X')
    .replaceAll(/"(handle|ifindex|link_index|link_netnsid|peerNetnsId|inode|since)":[\d.]+/g, '"$1":0')
    .replaceAll(/"[0-9a-f]{4}\.[0-9a-f:]+"/g, '"a bridge"')
}

/** All that ip, nft and bridge show of every namespace. */
function shown(): string {
  const look =
    'ip -j -d address show; ip -j -d route show table all; ip -j -d -6 route show table all; ip -j netconf show; bridge -j vlan show; nft -j list ruleset'
  return withoutRandom(
    shell(`${look}; for n in $(ls /run/netns); do echo "$n"; ip netns exec "$n" sh -c '${look}'; done`),
  )
}

/** A state as text. */
const written = (state: State) =>
  withoutRandom(
    JSON.stringify([...state], (_, value: unknown) =>
      value instanceof Map ? [...value] : value instanceof Set ? [...value] : value,
    ),
  )

async function tryOne([before, somebody, [kind, params]]: Row): Promise<unknown[]> {
  const operation = bindOperation(parseOperation(kind, params))
  for (const [one, its] of before) await byProgram.run(bindOperation(parseOperation(one, its)).apply)
  if (somebody !== undefined) shell(somebody)
  const planned = scopeOf([operation])
  const rules = new Set([...planned.rules, HOST])
  const wide = { ...planned, namespaces: undefined, rules, vlans: new Set([HOST]), forwarding: true }
  const first = await byProgram.read(wide)
  const verdict = operation.judge(first)
  const run = async (commands: readonly Command[]) => {
    await kernel.run(commands)
    const links = [...new Set((await byProgram.read(wide)).get(HOST)?.links.map(({ name }) => name))]
    return [
      shown(),
      written(await kernel.read(wide)),
      written(await kernel.read({ namespaces: new Set(['red']), links: [...links, 'nothing'], forwarding: true })),
      written(
        await kernel.read({
          namespaces: new Set(),
          links: [],
          tables: ['ip cnilab_network_n', 'ip cnilab_ports', 'ip no'],
        }),
      ),
    ]
  }
  const done = await run(somebody === undefined ? operation.apply : operation.mend(first))
  const undone =
    verdict.status === 'absent' ? await run(operation.undo(verdict.before, await byProgram.read(wide))) : []
  return [...done, ...undone]
}

/** Removes everything, so that the next one begins with nothing. */
function clean(): void {
  shell(
    `for n in $(ls /run/netns); do ip netns delete "$n" 2>/dev/null || rm -rf "/run/netns/$n"; done; nft flush ruleset
    for l in $(ls /sys/class/net 2>/dev/null; ip -o link | sed 's/^[0-9]*: //; s/[:@].*//'); do [ "$l" = lo ] || ip link delete dev "$l" 2>/dev/null; done; sysctl -qw net.ipv4.ip_forward=0; :`,
  )
}

for (const row of rows) {
  const what = JSON.stringify(row)
  const said = await tryOne(row).catch((error: unknown) => [String(error)])
  console.log(`ROW ${JSON.stringify({ what, said, left: left.splice(0) })}`)
  clean()
}
/** Changes that the kernel refuses: what is said then. */
for (const words of ['link add name lo type bridge', 'link set dev lo master lo', 'address delete 10.0.0.1/8 dev lo']) {
  const refused = kernel.run([ip(undefined, ...words.split(' '))])
  const said = await refused.then(
    () => 'nothing',
    (error: unknown) => String(error).replace(/\.$/, ''),
  )
  console.log(`ROW ${JSON.stringify({ what: words, said: [said], left: left.splice(0) })}`)
}
process.exit() // the shells of the launcher are still there
