import { INTERNET } from '../../state/state.ts'
import { type Bench, PLUGGED } from './bench.ts'
import { type Check, SPEC } from './check.ts'
import { demand, NotApplicable } from './verdict.ts'
import { fails, inWords, isSame, succeeds } from './judge.ts'

/** Demands that DEL removed the interface. Does not apply to chained plugins, whose interface is another's, and to lo. */
async function interfaceIsGone(bench: Bench, id: string, ifname: string): Promise<void> {
  if (bench.subject.kind !== 'interface') return
  const links = (await bench.kernel.read()).get(id)?.links ?? []
  demand(!links.some(({ name }) => name === ifname), `no ${ifname} in ${id} after DEL`, 'it is still there')
}

/**
 * Demands that an attachment leaves nothing behind once `remove` has removed it. What stays after a first attachment, such as
 * a bridge, forwarding or chains, is shared, and does not count.
 */
async function leavesNothing(bench: Bench, id: string, remove: () => Promise<void>): Promise<void> {
  await bench.attach('warm')
  await bench.container(id)
  succeeds(await bench.call('DEL', { id: 'warm' }), 'DEL')
  const before = await bench.footprint()
  await bench.attach(id)
  await remove()
  const wanted = 'all of it to be gone (- is missing, + was left)'
  const after = await bench.footprint()
  const isGone = !(await bench.kernel.read()).has(id)
  // what disappears with a namespace: what is in it, and the other end of the cable that stands for the previous plugin
  const goes = (line: string) => isGone && (line.startsWith(`${id}: `) || line.includes(PLUGGED))
  const stays = (lines: readonly string[]) => lines.filter((line) => !goes(line))
  isSame(stays(before), stays(after), wanted)
}

/** Checks that ADD makes and DEL removes exactly what they should. */
export const behaviour: readonly Check[] = [
  {
    id: 'add.twice',
    title: 'a second ADD of the same interface fails, and leaves the first alone',
    level: 'required',
    spec: SPEC.add,
    kinds: ['interface'],
    run: async (bench) => {
      await bench.attach()
      const before = await bench.footprint()
      fails(await bench.call('ADD'), 'a second ADD with the same container id and interface')
      isSame(
        before,
        await bench.footprint(),
        'the first attachment untouched and nothing beside it (- missing, + added)',
      )
    },
  },
  {
    id: 'add.name-taken',
    title: 'ADD fails if the container already has an interface of that name, and leaves it alone',
    level: 'required',
    spec: SPEC.add,
    kinds: ['interface'],
    run: async (bench) => {
      await bench.attach('warm')
      await bench.container('c1')
      await bench.shell('ip -n c1 link add name eth0 type veth peer name other')
      const before = await bench.footprint()
      fails(await bench.call('ADD'), 'ADD of a name that is taken')
      isSame(before, await bench.footprint(), 'nothing changed by the ADD that failed (- missing, + added)')
    },
  },
  {
    id: 'add.second-interface',
    title: 'a container can be added again with another interface name',
    level: 'required',
    spec: SPEC.add,
    kinds: ['interface'],
    run: async (bench) => {
      await bench.attach()
      await bench.attach('c1', { ifname: 'net1', change: withoutRoutes(bench) })
      const links = (await bench.kernel.read()).get('c1')?.links.map(({ name }) => name) ?? []
      demand(links.includes('eth0') && links.includes('net1'), 'eth0 and net1 in the container', links.join(', '))
    },
  },
  {
    id: 'add.again',
    title: 'after DEL, the same ADD works again',
    level: 'required',
    spec: SPEC.add,
    run: async (bench) => {
      await bench.attach()
      succeeds(await bench.call('DEL'), 'DEL')
      await bench.attach()
    },
  },
  {
    id: 'add.reach',
    title: 'two containers of the network reach each other',
    level: 'recommended',
    spec: SPEC.add,
    kinds: ['interface'],
    run: async (bench) => {
      await bench.attach('c1')
      const { result } = await bench.attach('c2')
      const address = result.ips[0]?.address.split('/')[0]
      if (address === undefined) throw new NotApplicable('the result has no address to reach')
      const ping = ['ping', '-c', '1', '-W', '2', address]
      bench.history.push(`ip netns exec c1 ${ping.join(' ')}`)
      const { code, stdout } = await bench.kernel.probe(ping, 'c1')
      demand(code === 0, `an answer of c2 to ${ping.join(' ')} in c1`, stdout.trim().split('\n').at(-2) ?? 'none came')
    },
  },
  {
    id: 'del.removes',
    title: 'DEL removes the interface',
    level: 'required',
    spec: SPEC.del,
    kinds: ['interface'],
    run: async (bench) => {
      const { id, ifname } = await bench.attach()
      succeeds(await bench.call('DEL'), 'DEL')
      await interfaceIsGone(bench, id, ifname)
    },
  },
  {
    id: 'del.leftovers',
    title: 'after DEL nothing of the attachment is left: interfaces, rules, addresses',
    level: 'required',
    spec: SPEC.del,
    run: (bench) => leavesNothing(bench, 'c1', async () => succeeds(await bench.call('DEL'), 'DEL')),
  },
  {
    id: 'del.twice',
    title: 'a second DEL succeeds',
    level: 'required',
    spec: SPEC.del,
    run: async (bench) => {
      await bench.attach()
      succeeds(await bench.call('DEL'), 'DEL')
      succeeds(await bench.call('DEL'), 'a second DEL')
    },
  },
  {
    id: 'del.never-added',
    title: 'DEL of what was never added succeeds',
    level: 'required',
    spec: SPEC.del,
    run: async (bench) => {
      await bench.container('c1')
      succeeds(await bench.call('DEL'), 'DEL of what was never added')
    },
  },
  {
    id: 'del.no-prevresult',
    title: 'DEL without prevResult succeeds, and removes the interface',
    level: 'recommended',
    spec: SPEC.del,
    run: async (bench) => {
      const { id, ifname } = await bench.attach()
      succeeds(await bench.call('DEL', { prevResult: false }), 'DEL without prevResult')
      await interfaceIsGone(bench, id, ifname)
    },
  },
  {
    id: 'del.no-netns',
    title: 'DEL without CNI_NETNS succeeds',
    level: 'recommended',
    spec: SPEC.del,
    run: async (bench) => {
      const { id } = await bench.attach()
      await bench.shell(`ip netns delete ${id}`)
      succeeds(await bench.call('DEL', { netns: '' }), 'DEL without CNI_NETNS')
    },
  },
  {
    id: 'del.no-netns-clean',
    title: 'DEL without CNI_NETNS, of a container that is gone, leaves nothing behind',
    level: 'recommended',
    spec: SPEC.del,
    run: (bench) =>
      leavesNothing(bench, 'c1', async () => {
        await bench.shell('ip netns delete c1')
        succeeds(await bench.call('DEL', { netns: '' }), 'DEL without CNI_NETNS')
      }),
  },
  {
    id: 'del.netns-gone',
    title: 'DEL succeeds when the namespace in CNI_NETNS is gone',
    level: 'recommended',
    spec: SPEC.del,
    run: async (bench) => {
      const { id } = await bench.attach()
      await bench.shell(`ip netns delete ${id}`)
      succeeds(await bench.call('DEL'), 'DEL after the namespace has gone')
    },
  },
  {
    id: 'del.netns-gone-clean',
    title: 'that DEL leaves nothing behind',
    level: 'recommended',
    spec: SPEC.del,
    run: (bench) =>
      leavesNothing(bench, 'c1', async () => {
        await bench.shell('ip netns delete c1')
        succeeds(await bench.call('DEL'), 'DEL after the namespace has gone')
      }),
  },
  {
    id: 'del.keeps-others',
    title: 'DEL of one container leaves the others alone',
    level: 'required',
    spec: SPEC.del,
    kinds: ['interface', 'ipam', 'chained'],
    run: async (bench) => {
      await bench.attach('c1')
      await leavesNothing(bench, 'c2', async () => succeeds(await bench.call('DEL', { id: 'c2' }), 'DEL of c2'))
    },
  },
  {
    id: 'del.one-of-two',
    title: "DEL of one of a container's two interfaces leaves the other alone, with its rules",
    level: 'required',
    spec: SPEC.del,
    kinds: ['interface'],
    run: async (bench) => {
      await bench.attach('c1')
      const before = await bench.footprint()
      const second = await bench.call('ADD', { ifname: 'net1', change: withoutRoutes(bench) })
      if (second.code !== 0) throw new NotApplicable(`could not add the second interface: ${inWords(second)}`)
      succeeds(await bench.call('DEL', { ifname: 'net1' }), 'DEL of net1')
      isSame(before, await bench.footprint(), 'eth0 as it was before net1 came and went (- missing, + left)')
    },
  },
  {
    id: 'add.elsewhere',
    title: 'nothing is done outside the host and the container',
    level: 'required',
    spec: SPEC.add,
    run: async (bench) => {
      const beyond = async () => (await bench.footprint()).filter((line) => /^(internet|c2): /.test(line))
      await bench.container('c1')
      await bench.container('c2')
      const before = await beyond()
      await bench.attach('c1')
      isSame(before, await beyond(), `${INTERNET} and c2 as they were (- missing, + added)`)
    },
  },
]

/** A change to the configuration that drops routes, for a second interface: a container has only one default route. */
function withoutRoutes({ subject }: Bench): Record<string, unknown> {
  const { ipam } = subject.config
  return typeof ipam === 'object' && ipam !== null ? { ipam: { ...ipam, routes: [] } } : {}
}
