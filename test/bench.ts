// `npm run bench`: measures cnilab against what it replaces, side by side in one run, and prints ratios with their bounds.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as z from 'zod'

const program = join(import.meta.dirname, '..', 'dist', 'src', 'cnilab.js')
const runtime = mkdtempSync(join(tmpdir(), 'cnilab-bench-'))
const env = { ...process.env, XDG_RUNTIME_DIR: runtime }

/** Runs a program, and returns how long it took in milliseconds and what it printed. Throws if it failed. */
function time(argv: readonly string[]): { ms: number; stdout: string } {
  const [file = '', ...args] = argv
  const started = performance.now()
  const { status, stdout, stderr } = spawnSync(file, args, { env, encoding: 'utf8', maxBuffer: 1 << 28 })
  const ms = performance.now() - started
  if (status !== 0) throw new Error(`${argv.join(' ').slice(0, 200)}: exit ${status}\n${stderr}`)
  return { ms, stdout }
}

const cnilab = (...args: string[]) => [process.execPath, program, ...args]
const alone = (script: string) => [
  'unshare',
  '-Urnm',
  'sh',
  '-ec',
  `mount -t tmpfs run /run; mkdir /run/netns; ${script}`,
]

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}

const rows: string[][] = []

function row(what: string, ours: number, theirs: number, bound: number): void {
  const ratio = ours / theirs
  rows.push([what, ours.toFixed(0), theirs.toFixed(0), ratio.toFixed(2), `≤ ${bound}`, ratio <= bound ? 'ok' : 'OVER'])
}

/** Measures both in turns, so that a change of the machine's speed meets both. */
function compare(what: string, bound: number, runs: number, ours: () => number, theirs: () => number): void {
  ours() // fills the compile cache
  const pairs = Array.from({ length: runs }, () => [ours(), theirs()] as const)
  row(what, median(pairs.map(([a]) => a)), median(pairs.map(([, b]) => b)), bound)
}

/** What `lab run eight-steps` does, its checks included, with one process for each command. */
const eightSteps = `
ip netns add internet; ip link set lo up
ip link add name eth0 type veth peer name eth0 netns internet
ip address add 203.0.113.2/24 dev eth0; ip link set eth0 up
ip -n internet link set lo up; ip -n internet address add 203.0.113.1/24 dev eth0; ip -n internet link set eth0 up
ip route add default via 203.0.113.1
${time(cnilab('lab', 'run', '--dry-run'))
  .stdout.split('\n')
  .slice(0, 7)
  .join('\n')}
! ip netns exec red ping -c1 -W0.2 10.22.0.1 >/dev/null 2>&1
${time(cnilab('lab', 'run', '--dry-run'))
  .stdout.split('\n')
  .slice(7, 12)
  .join('\n')}
ip netns exec red ping -c1 -W2 10.22.0.1 >/dev/null
! ip netns exec red ping -c1 -W0.2 203.0.113.1 >/dev/null
${time(cnilab('lab', 'run', '--dry-run'))
  .stdout.split('\n')
  .slice(12)
  .join('\n')}
ip netns exec red ping -c1 -W2 203.0.113.1 >/dev/null
ip netns exec internet nft 'table ip w { set seen { type ipv4_addr; flags dynamic; timeout 1m; }; chain input { type filter hook input priority filter; update @seen { ip saddr }; }; }'
ip netns exec red ping -c1 -W2 203.0.113.1 >/dev/null
ip netns exec internet nft list set ip w seen | grep -q 203.0.113.2
`

/** One `ip` process for each action, as most scripts do it. */
const onePerAction = (n: number) => `
ip link add name cni0 type bridge; ip address add 10.22.0.1/16 dev cni0; ip link set cni0 up
i=1; while [ $i -le ${n} ]; do
ip netns add c$i; ip link add name veth$i type veth peer name p$i; ip link set p$i netns c$i name eth0
ip link set veth$i master cni0; ip link set veth$i up
ip -n c$i address add 10.22.$(((i + 1) / 256)).$(((i + 1) % 256))/16 dev eth0
ip -n c$i link set lo up; ip -n c$i link set eth0 up; ip -n c$i route add default via 10.22.0.1
i=$((i + 1)); done`

/** One \`ip -batch\` for the host, and one \`ip -n\` for each container; the bridge is up first. */
const naiveBatch = (n: number) => `
{ echo link add name cni0 type bridge; echo address add 10.22.0.1/16 dev cni0; echo link set cni0 up
i=1; while [ $i -le ${n} ]; do
echo netns add c$i; echo link add name veth$i type veth peer name eth0 netns c$i
echo link set veth$i master cni0; echo link set veth$i up
i=$((i + 1)); done; } | ip -batch -
i=1; while [ $i -le ${n} ]; do
printf 'address add 10.22.%d.%d/16 dev eth0\\nlink set lo up\\nlink set eth0 up\\nroute add default via 10.22.0.1\\n' $(((i + 1) / 256)) $(((i + 1) % 256)) | ip -n c$i -batch -
i=$((i + 1)); done`

const runSchema = z.object({ steps: z.array(z.object({ ms: z.number() })) })

/** Milliseconds that \`lab run scale\` took to build, without sandbox, checks and teardown. */
function build(n: number): number {
  const { stdout } = time(cnilab('lab', 'run', 'scale', '--set', `containers=${n}`, '--json'))
  return runSchema.parse(JSON.parse(stdout)).steps.reduce((sum, { ms }) => sum + ms, 0)
}

try {
  const node = () => time([process.execPath, '-e', '0']).ms
  compare('cnilab --version / node -e 0', 2.5, 11, () => time(cnilab('--version')).ms, node)
  compare(
    'lab run eight-steps / shell script',
    2,
    7,
    () => time(cnilab('lab', 'run', '--auto')).ms,
    () => time(alone(eightSteps)).ms,
  )
  const perAction = (n: number) => () => time(alone(onePerAction(n))).ms
  const batch = (n: number) => () => time(alone(naiveBatch(n))).ms
  compare('scale 100 / one ip per action', 0.2, 3, () => build(100), perAction(100))
  compare('scale 100 / naive ip -batch', 1.1, 3, () => build(100), batch(100))
  compare('scale 500 / naive ip -batch', 1, 1, () => build(500), batch(500))
  compare('scale 1000 / naive ip -batch', 0.4, 1, () => build(1000), batch(1000))
  row('per container: 1000 / 100', build(1000) / 10, build(100), 1.3)
  time(cnilab('lab', 'run', 'scale', '--set', 'containers=1000', '--keep', '--sandbox', 'bench', '--json'))
  row('teardown of 1000 / 1 s', time(cnilab('sandbox', 'delete', 'bench')).ms, 1000, 1)
} finally {
  time(cnilab('clean'))
  rmSync(runtime, { recursive: true, force: true })
}

const heading = ['what', 'cnilab ms', 'other ms', 'ratio', 'bound', '']
const widths = heading.map((title, i) => Math.max(title.length, ...rows.map((cells) => cells[i]?.length ?? 0)))
for (const cells of [heading, ...rows])
  process.stdout.write(
    `${cells
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd()}\n`,
  )
if (spawnSync('sh', ['-c', 'command -v mn']).status !== 0) process.stdout.write('skipped: Mininet is not installed\n')
