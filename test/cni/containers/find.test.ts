// Which network namespace a name means. With real container runtimes: test/cni/clients.test.ts.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { parseDetails, parseList } from '../../../src/cni/containers/cri.ts'
import { sort } from '../../../src/cni/containers/find.ts'
import { fit } from '../../../src/cni/containers/place.ts'
import { onMachine, program, runtime, shellOnTerminal } from '../../helpers.ts'

it('takes a whole name before the beginning of an id, and counts no namespace twice', () => {
  const one = (what: string, netns: string, isWhole = true) => ({ what, netns, isWhole })
  const all = [one('a', '/a'), one('b', '/b'), one('b again', '/c'), one('c', '/d', false), one('gone', '/e')]
  const files = new Map([
    ['/a', '4:1'],
    ['/b', '4:2'],
    ['/c', '4:2'],
    ['/d', '4:3'],
    ['/proc/self/ns/net', '4:1'],
    ['/proc/1/ns/net', '4:9'],
  ])
  const names = (candidates: readonly { what: string }[]) => candidates.map(({ what }) => what)
  const { fits, hosts } = sort(all, files)
  expect([names(fits), names(hosts)]).toEqual([['b'], ['a']])
  expect(names(sort([one('c', '/d', false)], files).fits)).toEqual(['c'])
  expect(names(sort([one('first', '/d'), one('init', '/i')], new Map([...files, ['/i', '4:9']])).hosts)).toEqual([
    'init',
  ])
  expect(['abcdef', 'abcd', 'abc', 'web', 'bcde'].map((name) => fit(name, 'abcdef', ['web']))).toEqual([
    'whole',
    'beginning',
    undefined,
    'whole',
    undefined,
  ])
})

it('reads what crictl prints (cri-tools 1.24 to 1.33)', () => {
  const pods = {
    items: [
      { id: 'f00dcafe', metadata: { name: 'web', uid: 'u', namespace: 'shop', attempt: 0 }, state: 'SANDBOX_READY' },
    ],
  }
  const containers = {
    containers: [{ id: 'beefbeef', podSandboxId: 'f00dcafe', metadata: { name: 'nginx', attempt: 0 } }],
  }
  expect(parseList(JSON.stringify(pods), 'inspectp')).toMatchObject([
    { id: 'f00dcafe', name: 'web', what: 'the pod shop/web (f00dcafe)' },
  ])
  expect(parseList(JSON.stringify(containers), 'inspect')).toMatchObject([{ name: 'nginx', inspect: 'inspect' }])
  const namespaces = [{ type: 'pid' }, { type: 'network', path: '/var/run/netns/cni-1' }]
  const details = { status: { id: 'f00dcafe' }, info: { pid: 42, runtimeSpec: { linux: { namespaces } } } }
  expect(parseDetails(JSON.stringify(details))).toEqual({ pid: 42, netns: '/var/run/netns/cni-1' })
  expect(parseDetails('no JSON')).toEqual({ pid: 0, netns: undefined })
})

/** A process with a network namespace of its own, in $pid. */
const PROCESS = `unshare -n sleep 600 & pid=$!; until [ "$(readlink /proc/$pid/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done`

it('takes a process, says so, and finds the container by its id alone when its namespace is gone', () => {
  const output = onMachine(`${PROCESS}; cnilab bridge add web $pid --host 2>/run/notice >/dev/null; echo "exit $?"
    sed "s/$pid/PID/g" /run/notice; nsenter --net=/proc/$pid/ns/net ip -br address show eth0 | grep -o '10.22[^ ]*'
    { kill $pid; wait $pid; } 2>/dev/null; cnilab bridge del web --host >/dev/null; echo "exit $?"; ls /var/lib/cni/results; ip -br link | cut -d' ' -f1`)
  expect(output).toBe(`exit 0
PID is the process PID (sleep): /proc/PID/ns/net
10.22.0.2/16
exit 0
lo
`)
})

it('refuses the namespace of the host itself, however it is named, and what is not there with what finds it', () => {
  const output = onMachine(`ln -s /proc/self/ns/net /run/link; ip netns add red; ip netns exec red true
    for name in /proc/self/ns/net /run/link $$; do cnilab bridge add web $name --host; echo "exit $?"; done
    cnilab bridge add web --host; echo "exit $?"; cnilab bridge check web nothing --host --json; ip -br link | cut -d' ' -f1`)
  expect(output.match(/the network namespace of the host itself/g)).toHaveLength(3)
  expect(output).not.toContain('netns create')
  expect(output).toMatch(
    /Error: there is no network namespace for web: it is no name in \/run\/netns and no process\n.*lsns -t net[^]*\nexit 1\n\{[^]*lsns -t net[^]*\}\nlo\n$/,
  )
})

/** A name of `ip netns` that is the number of a process, too. */
const BOTH = `${PROCESS}; ip netns add $pid`

it('lists what a name may mean where nobody can be asked', () => {
  const output = onMachine(
    `${BOTH}; cnilab bridge add web $pid --host >/run/out; echo "exit $?"; kill $pid; ip -br link | cut -d' ' -f1`,
  )
  expect(output).toMatch(
    /^Error: (\d+) may mean any of these network namespaces: the namespace \1 of ip netns: \/run\/netns\/\1; the process \1 \(sleep\): \/proc\/\1\/ns\/net\n/,
  )
  expect(output.replaceAll(/\s+/g, ' ')).toMatch(
    /cnilab bridge add web \/run\/netns\/\d+ --host, or cnilab bridge add web \/proc\/\d+\/ns\/net --host exit 2 lo $/,
  )
})

it('asks on a terminal which is meant', async () => {
  const file = join(runtime, 'both.sh')
  writeFileSync(
    file,
    `mount -t tmpfs run /run; mkdir /run/netns; mount -t tmpfs lib /var/lib; ${BOTH}
    "${process.execPath}" "${program}" bridge add web $pid --host
    nsenter --net=/proc/$pid/ns/net ip -br address show eth0; ip -n $pid -br link; kill $pid`,
  )
  const { screen } = await shellOnTerminal(`unshare -Urnm sh ${file}`, [
    ['Which network namespace is meant', '\x1b[B\r'],
  ])
  expect(screen).toMatch(
    /is the process (\d+) \(sleep\): \/proc\/\1\/ns\/net[^]*eth0@if\d+ +UP +10\.22\.0\.2\/16[^\n]*\n(.*\n)?lo [^\n]*\n$/,
  )
})
