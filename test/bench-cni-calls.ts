// Measures CNI plugins by calling them as a runtime does, in the namespaces in which this is started: an empty /run and
// /var/lib are expected. Prints medians in milliseconds as JSON. Arguments: what to measure, then folders of plugins.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'

interface Side {
  folder: string
  n: number
  isRouted?: boolean
}

function network({ n, isRouted = false }: Side): Record<string, unknown> {
  return {
    cniVersion: '1.0.0',
    name: `net${n}`,
    type: 'bridge',
    bridge: `br${n}`,
    isGateway: true,
    ipMasq: !isRouted,
    ipam: { type: 'host-local', subnet: `10.${n + 100}.0.0/16`, routes: [{ dst: '0.0.0.0/0' }] },
  }
}

const environment = (side: Side, command: string, id: string) => ({
  PATH: process.env['PATH'],
  CNI_COMMAND: command,
  CNI_CONTAINERID: id,
  CNI_NETNS: `/run/netns/${id}`,
  CNI_IFNAME: 'eth0',
  CNI_PATH: side.folder,
})

/** The CPU time of all programs that have ended, in milliseconds: getrusage(2), RUSAGE_CHILDREN, by proc(5). */
function ofChildren(): number {
  const fields = readFileSync('/proc/self/stat', 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
  return (Number(fields[13]) + Number(fields[14])) * 10
}

/** One call; returns its milliseconds and what it printed. */
function call(
  side: Side,
  type: string,
  command: string,
  id: string,
  config: Record<string, unknown>,
): { ms: number; stdout: string } {
  const env = environment(side, command, id)
  const started = performance.now()
  const { status, stdout } = spawnSync(`${side.folder}/${type}`, {
    env,
    input: JSON.stringify(config),
    encoding: 'utf8',
  })
  const ms = performance.now() - started
  if (status !== 0) throw new Error(`${side.folder}/${type} ${command}: ${stdout}`)
  return { ms, stdout }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}

function namespaces(ids: readonly string[]): void {
  const batch = ids.map((id) => `netns add ${id}\n`).join('')
  const { status, stderr } = spawnSync('ip', ['-batch', '-'], { input: batch, encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
}

/**
 * ADD and DEL of a hundred containers of each side, in turns: the medians of their sums, and then the CPU time for each
 * container. With `routed` in front, without masquerade.
 */
function addAndDel(args: readonly string[]): number[] {
  const count = 100
  const isRouted = args[0] === 'routed'
  const sides = args.slice(isRouted ? 1 : 0).map((folder, n): Side => ({ folder, n, isRouted }))
  const cpu = sides.map(() => 0)
  const counted = <T>(s: number, act: () => T): T => {
    const before = ofChildren()
    const result = act()
    cpu[s] = (cpu[s] ?? 0) + ofChildren() - before
    return result
  }
  const ids = sides.map((side) => Array.from({ length: count }, (_, i) => `c${side.n}-${i}`))
  namespaces(ids.flat())
  const added = sides.map((): { ms: number; stdout: string }[] => [])
  const deleted = sides.map((): number[] => [])
  for (let i = 0; i < count; i++)
    for (const [s, side] of sides.entries())
      added[s]?.push(counted(s, () => call(side, 'bridge', 'ADD', ids[s]?.[i] ?? '', network(side))))
  for (let i = 0; i < count; i++)
    for (const [s, side] of sides.entries()) {
      const prevResult: unknown = JSON.parse(added[s]?.[i]?.stdout ?? '')
      const config = { ...network(side), prevResult }
      deleted[s]?.push(counted(s, () => call(side, 'bridge', 'DEL', ids[s]?.[i] ?? '', config).ms))
    }
  const wall = sides.map((_, s) => median(added[s]?.map(({ ms }) => ms) ?? []) + median(deleted[s] ?? []))
  return [...wall, ...cpu.map((ms) => ms / count)]
}

/** Twenty ADDs at once, five times for each side, in turns: the medians. */
async function atOnce(folders: readonly string[]): Promise<number[]> {
  const sides = folders.map((folder, n): Side => ({ folder, n }))
  const taken = sides.map((): number[] => [])
  for (let round = 0; round < 5; round++)
    for (const [s, side] of sides.entries()) {
      const ids = Array.from({ length: 20 }, (_, i) => `c${s}-${round}-${i}`)
      namespaces(ids)
      const started = performance.now()
      await Promise.all(
        ids.map(async (id) => {
          const plugin = spawn(`${side.folder}/bridge`, {
            env: environment(side, 'ADD', id),
            stdio: ['pipe', 'pipe', 'inherit'],
          })
          plugin.stdout.resume()
          plugin.stdin.end(JSON.stringify(network(side)))
          await once(plugin, 'close')
          if (plugin.exitCode !== 0) throw new Error(`${side.folder}/bridge ADD ${id}: ${plugin.exitCode}`)
        }),
      )
      taken[s]?.push(performance.now() - started)
    }
  return taken.map(median)
}

/** DEL of one container of ten, and of one of 900 on the network, in turns: the medians. */
function delOfMany([folder = '']: readonly string[]): number[] {
  const hosts = [10, 900].map((count, n) => {
    const side: Side = { folder, n }
    const ids = Array.from({ length: count }, (_, i) => `c${n}-${i}`)
    namespaces(ids)
    for (const id of ids) call(side, 'bridge', 'ADD', id, network(side))
    return { side, id: ids[0] ?? '', taken: new Array<number>() }
  })
  for (let i = 0; i < MORE; i++)
    for (const { side, id, taken } of hosts) {
      taken.push(call(side, 'bridge', 'DEL', id, network(side)).ms)
      call(side, 'bridge', 'ADD', id, network(side))
    }
  return hosts.map(({ taken }) => median(taken))
}

/** A bridge takes 1023 ports at most (net/bridge/br_private.h, BR_MAX_PORTS). */
const MORE = 20

/** Makes so many attachments, and then, for each line on stdin, one more, of which it prints the milliseconds. */
async function oneHost([count = '', folder = '']: readonly string[]): Promise<number[]> {
  const ids = Array.from({ length: Number(count) + MORE }, (_, i) => `c${i}`)
  namespaces(ids)
  const side = { folder, n: 0 }
  const add = (id: string) => call(side, 'bridge', 'ADD', id, network(side)).ms
  for (const id of ids.slice(0, -MORE)) add(id)
  process.stdout.write('ready\n')
  const more = ids.slice(-MORE).values()
  for await (const _ of createInterface(process.stdin)) process.stdout.write(`${add(more.next().value ?? '')}\n`)
  return []
}

/** New containers look for routers three times, four seconds apart (sysctl router_solicitations), by way of all ports. */
const UNTIL_QUIET = 15_000

/** One more ADD at ten and at a thousand attachments, in turns, each on a host of its own: the medians. */
async function manyOnABridge([folder = '']: readonly string[]): Promise<number[]> {
  const script = 'mount -t tmpfs run /run; mount -t tmpfs lib /var/lib; mkdir /run/netns; exec "$@"'
  const self = process.argv.slice(0, 2)
  const hosts = [10, 1000].map((count) => {
    const argv = ['-nm', 'sh', '-c', script, 'sh', ...self, 'one-host', `${count}`, folder]
    const child = spawn('unshare', argv, { stdio: ['pipe', 'pipe', 'inherit'] })
    return { child, lines: createInterface(child.stdout)[Symbol.asyncIterator](), taken: new Array<number>() }
  })
  for (const { lines } of hosts) await lines.next()
  await sleep(UNTIL_QUIET)
  for (let i = 0; i < MORE; i++)
    for (const { child, lines, taken } of hosts) {
      child.stdin.write('\n')
      taken.push(Number((await lines.next()).value))
    }
  for (const { child } of hosts) child.stdin.end()
  return hosts.map(({ taken }) => median(taken))
}

/** ADD of host-local in an empty store, and in one of which 60,000 addresses are taken, in turns. */
function fullStore([folder = '']: readonly string[]): number[] {
  const side = { folder, n: 0 }
  const dataDir = (name: string) => ({ ...network(side), ipam: { ...ipam, dataDir: `/var/lib/${name}` } })
  const ipam = { type: 'host-local', subnet: '10.100.0.0/16' }
  mkdirSync('/var/lib/full/net0', { recursive: true })
  for (let i = 2; i < 60_002; i++)
    writeFileSync(`/var/lib/full/net0/10.100.${i >> 8}.${i & 255}`, `container-${i}\r\neth0`)
  writeFileSync('/var/lib/full/net0/last_reserved_ip.0', `10.100.${60_001 >> 8}.${60_001 & 255}`)
  call(side, 'host-local', 'ADD', 'first', dataDir('full')) // reads all of a store that others filled, once
  const [empty, full]: [number[], number[]] = [[], []]
  for (let i = 0; i < 15; i++) {
    rmSync('/var/lib/empty', { recursive: true, force: true })
    empty.push(call(side, 'host-local', 'ADD', `x${i}`, dataDir('empty')).ms)
    full.push(call(side, 'host-local', 'ADD', `x${i}`, dataDir('full')).ms)
  }
  return [median(empty), median(full)]
}

const measures: Readonly<Record<string, (args: readonly string[]) => number[] | Promise<number[]>>> = {
  'add-and-del': addAndDel,
  'at-once': atOnce,
  'del-of-many': delOfMany,
  'many-on-a-bridge': manyOnABridge,
  'one-host': oneHost,
  'full-store': fullStore,
}

const [what = '', ...args] = process.argv.slice(2)
process.stdout.write(JSON.stringify((await measures[what]?.(args)) ?? []))
