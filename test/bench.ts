// `npm run bench`: measures cnilab against what it replaces, side by side in one run, and prints ratios with their bounds.
// Names of parts as arguments: only these, such as `npm run bench -- start eight-steps`.
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import * as z from 'zod'
import { EIGHT_STEPS, type Ends, mininet, naiveBatch, onePerAction } from './bench-baselines.ts'
import { baseline, build, cleanUp, cnilab, holders, installed, peak, run, scale, settle, watched } from './bench-run.ts'
import { noneLeft, printTable, row } from './bench-table.ts'

const notes: string[] = []

/** The parts that are wanted; none for all. */
const only = process.argv.slice(2)

/** Where Debian's package containernetworking-plugins has the reference plugins. */
const REFERENCE = '/usr/lib/cni'

type Measure = () => Promise<number>

/** Takes all measures in turns, so that a change of the machine's speed meets each, and returns their medians. */
async function medians(runs: number, n: number, ...measures: readonly Measure[]): Promise<number[]> {
  const taken = measures.map((): number[] => [])
  for (let i = 0; i < runs; i++)
    for (const [m, measure] of measures.entries()) {
      taken[m]?.push(await measure())
      if (n > 0) await settle(n)
    }
  return taken.map((values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN)
}

const wall = (argv: readonly string[]) => async () => (await run(argv)).ms
const naive = (n: number, ends: Ends) => () => baseline(naiveBatch(n, ends))

/** Commands that start no program. */
const QUICK = [
  ['--version'],
  ['--help'],
  ['netns', 'list', '--help'],
  ['netns', 'create', 'red', '--dry-run'],
  ['lab', 'list'],
  ['lab', 'show', 'eight-steps'],
  ['step', '--show', 'veth'],
  ['cni', 'configs'],
]

const node = wall([process.execPath, '-e', '0'])

async function start(): Promise<void> {
  const [bare = 0, ...taken] = await medians(21, 0, node, ...QUICK.map((words) => wall(cnilab(...words))))
  for (const [i, words] of QUICK.entries())
    row(`cnilab ${words.join(' ')} / node -e 0`, taken[i] ?? Number.NaN, bare, 3, 21)
}

/** A command without the programs that it starts, which are measured by a script that starts the same ones. */
async function startWithout(words: readonly string[], programs: string): Promise<void> {
  const script = wall(['sh', '-c', programs])
  const [bare = 0, whole = 0, others = 0] = await medians(21, 0, node, wall(cnilab(...words)), script)
  row(`cnilab ${words.slice(0, 2).join(' ')} - its programs / node -e 0`, whole - others, bare, 3, 21)
}

/** In a sandbox that runs, without namespaces. */
async function netnsList(): Promise<void> {
  const there = ['--sandbox', 'list']
  await run(cnilab('exec', ...there, '--', 'true'))
  const read = ['address show', 'route show table all', 'netconf show'].map((line) => `echo ${line}`).join('; ')
  await startWithout(
    ['netns', 'list', ...there],
    `nsenter -t $$ -n -- sh -c '{ ${read}; } | ip -j -d -batch - >/dev/null'`,
  )
}

async function cniPlugins(): Promise<void> {
  const ask = `for plugin in ${REFERENCE}/*; do env -i timeout 2 $plugin </dev/null >/dev/null 2>&1 & done; wait`
  await startWithout(['cni', 'plugins', '--bin-dir', REFERENCE], ask)
}

/** A sandbox of its own each time. It took 9.8 times as long before it had its own root and filter; 1.25 times that is the bound. */
async function freshSandbox(): Promise<void> {
  const once = async () => {
    const { ms } = await run(cnilab('exec', '--sandbox', 'fresh', '--', 'true'))
    await run(cnilab('sandbox', 'delete', 'fresh'))
    return ms
  }
  const [fresh = 0, bare = 0] = await medians(9, 0, once, node)
  row('exec -- true in a fresh sandbox / node -e 0', fresh, bare, 9.8 * 1.25, 9)
}

/** In a sandbox that runs, with the steps before it done. */
async function stepVeth(): Promise<void> {
  const there = ['--sandbox', 'bench']
  await run(cnilab('step', 'bridge', '--with-missing', ...there))
  await run(cnilab('step', 'netns', ...there))
  const taken: number[] = []
  for (let i = 0; i < 7; i++) {
    taken.push(await wall(cnilab('step', 'veth', ...there))())
    await run(cnilab('step', '--undo', ...there))
  }
  row('step veth / 400 ms', taken.toSorted((a, b) => a - b)[3] ?? Number.NaN, 400, 1, 7)
}

/** From the end of the command that changes something, in another terminal, to the screen. */
async function watch(): Promise<void> {
  const there = ['--sandbox', 'watch']
  const taken: number[] = []
  await run(cnilab('lab', 'start', 'eight-steps', ...there))
  for (let i = 0; i < 5; i++) {
    const add = () => run(cnilab('exec', ...there, '--', 'ip', 'netns', 'add', 'red'))
    taken.push(await watched(there.join(' '), 'q quit', add, '✔ netns'))
    await run(cnilab('lab', 'reset', '--yes', ...there))
  }
  row('lab watch shows a change / 500 ms', taken.toSorted((a, b) => a - b)[2] ?? Number.NaN, 500, 1, 5)
}

async function eightSteps(): Promise<void> {
  const lab = wall(cnilab('lab', 'run', 'eight-steps', '--auto'))
  const [ours = 0, script = 0] = await medians(7, 1, lab, () => baseline(EIGHT_STEPS))
  row('lab run eight-steps / shell script', ours, script, 1.5, 7)
}

async function scale100(): Promise<void> {
  const [ours = 0, each = 0, inPlace = 0, moved = 0] = await medians(
    3,
    100,
    () => build(100),
    () => baseline(onePerAction(100)),
    naive(100, 'in place'),
    naive(100, 'moved'),
  )
  row('scale 100 / one ip per action', ours, each, 0.2, 3)
  row('scale 100 / naive ip -batch, ends in place', ours, inPlace, 1.1, 3)
  row('scale 100 / naive ip -batch, ends moved', ours, moved, 1.1, 3)
}

async function scaleMininet(): Promise<void> {
  const [ours = 0, theirs = 0] = await medians(
    3,
    100,
    () => build(100),
    () => baseline(mininet(100)),
  )
  row('scale 100 / Mininet with LinuxBridge', ours, theirs, 0.25, 3)
}

async function scale500(): Promise<void> {
  const [ours = 0, inPlace = 0] = await medians(3, 500, () => build(500), naive(500, 'in place'))
  row('scale 500 / naive ip -batch, ends in place', ours, inPlace, undefined, 3)
}

async function scale1000(): Promise<void> {
  const [ours = 0, small = 0, inPlace = 0] = await medians(
    3,
    1000,
    () => build(1000),
    () => build(100),
    naive(1000, 'in place'),
  )
  row('scale 1000 / naive ip -batch, ends in place', ours, inPlace, 0.4, 3)
  // Half a minute a run, and never the tighter bound: once is enough.
  const [again = 0, moved = 0] = await medians(1, 1000, () => build(1000), naive(1000, 'moved'))
  row('scale 1000 / naive ip -batch, ends moved', again, moved, 0.4)
  row('per container, at 1000 / at 100', ours, small * 10, 1.3, 3)
}

async function teardown(): Promise<void> {
  // /proc is the whole machine's: nobody else's sandbox is called that.
  const name = `bench-${process.pid}`
  await run(scale(1000, '--keep', '--sandbox', name))
  if (holders(name).length === 0) throw new Error(`the holder of '${name}' is not to be found`)
  const { ms } = await run(cnilab('sandbox', 'delete', name))
  row('teardown of 1000 / 1 s', ms, 1000, 1)
  await sleep(3000)
  noneLeft('processes left 3 s later', holders(name).length)
}

async function memory(): Promise<void> {
  const { kib, how } = await peak(scale(1000))
  row(`peak memory at 1000 / 150 MiB (${how})`, kib / 1024, 150, 1, 1, 'MiB')
}

/** Measures CNI plugins, in namespaces of their own. */
async function cniCalls(what: string, ...folders: readonly string[]): Promise<number[]> {
  const script = 'mount -t tmpfs run /run; mount -t tmpfs lib /var/lib; mkdir /run/netns; exec "$@"'
  const calls = [process.execPath, join(import.meta.dirname, 'bench-cni-calls.ts'), what, ...folders]
  const { stdout } = await run(['unshare', '-Urnm', 'sh', '-c', script, 'sh', ...calls])
  return z.array(z.number()).parse(JSON.parse(stdout))
}

async function cni(): Promise<void> {
  const compiled = mkdtempSync(join(tmpdir(), 'cnilab-bench-plugins-'))
  try {
    await run(cnilab('cni', 'install', '--bin-dir', compiled))
    const onNode = join(import.meta.dirname, '..', 'dist', 'plugins')
    const masqueraded = await cniCalls('add-and-del', compiled, REFERENCE)
    const [ours = 0, reference = 0, cpu = 0, referenceCpu = 0] = masqueraded
    row('CNI ADD + DEL, 100 containers, compiled / reference', ours, reference, 0.45, 100)
    row('the same, CPU time', cpu, referenceCpu, 0.6, 100)
    const [routed = 0, routedReference = 0] = await cniCalls('add-and-del', 'routed', compiled, REFERENCE)
    row('CNI ADD + DEL without masquerade / reference', routed, routedReference, 1.1, 100)
    const [together = 0, referenceTogether = 0] = await cniCalls('at-once', compiled, REFERENCE)
    row('CNI, 20 ADDs at once / reference', together, referenceTogether, 0.6, 5)
    const [ofTen = 0, ofMany = 0] = await cniCalls('del-of-many', compiled)
    row('CNI DEL with 900 on the network / with 10', ofMany, ofTen, 1.2, 20)
    row('CNI, size of the plugins', statSync(join(compiled, 'bridge')).size / 2 ** 20, 1, undefined, 1, 'MiB')
    const [onNodeMs = 0, again = 0] = await cniCalls('add-and-del', onNode, REFERENCE)
    row('CNI ADD + DEL, 100 containers, on node / reference', onNodeMs, again, 1.5, 100)
    const [few = 0, many = 0] = await cniCalls('many-on-a-bridge', compiled)
    row('CNI ADD at 1000 attachments / at 10', many, few, 1.3, 20)
    const [empty = 0, full = 0] = await cniCalls('full-store', compiled)
    row('CNI IPAM ADD, 60,000 of a /16 taken / none', full, empty, 1.5, 15)
  } finally {
    rmSync(compiled, { recursive: true, force: true })
  }
}

/** Runs a part if what it needs is installed; a part that fails does not stop the others. */
async function part(name: string, needs: readonly string[], measure: () => Promise<void>): Promise<void> {
  if (only.length > 0 && !only.includes(name)) return
  const missing = needs.filter((need) => !installed(need))
  if (missing.length > 0) {
    notes.push(`skipped: ${name}: not installed: ${missing.join(', ')}`)
    return
  }
  try {
    process.stderr.write(`measuring ${name} …\n`)
    await measure()
  } catch (error) {
    notes.push(`FAILED: ${name}: ${error instanceof Error ? error.message : String(error)}`)
    process.exitCode = 1
  }
}

for (const [signal, status] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)
  process.once(signal, () => {
    cleanUp()
    process.exit(status)
  })

const KERNEL = ['unshare', 'ip', 'nft', 'ping', 'sysctl']
try {
  // Fills the compile cache: the first start of a new build is not what is measured.
  await part('warm-up', [], async () => void (await medians(1, 0, ...QUICK.map((words) => wall(cnilab(...words))))))
  await part('start', [], start)
  await part('netns list', KERNEL, netnsList)
  await part('cni plugins', [`${REFERENCE}/bridge`], cniPlugins)
  await part('fresh', KERNEL, freshSandbox)
  await part('step', KERNEL, stepVeth)
  await part('watch', [...KERNEL, 'script'], watch)
  await part('eight-steps', KERNEL, eightSteps)
  await part('scale 100', KERNEL, scale100)
  await part('Mininet', [...KERNEL, 'mn', 'brctl'], scaleMininet)
  await part('scale 500', KERNEL, scale500)
  await part('scale 1000', KERNEL, scale1000)
  await part('teardown', KERNEL, teardown)
  await part('memory', KERNEL, memory)
  await part('CNI', [...KERNEL, `${REFERENCE}/bridge`], cni)
} finally {
  cleanUp()
}

printTable()
for (const note of notes) process.stdout.write(`${note}\n`)
