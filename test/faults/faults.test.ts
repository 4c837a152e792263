import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, expect, it } from 'vitest'
import { network } from '../cni/plugin.ts'
import { eventually, processesWith, program } from '../helpers.ts'
import { isLong } from '../long.ts'
import type { Fault } from './calls.ts'
import type { Job, Report } from './runner.ts'

/** What a command is to be tried at. */
interface Scenario {
  name: string
  /** Makes all be as it is before the command; what it leaves is there again before the next time. */
  prepare: readonly Job[]
  command: Job
  /** What takes away whatever the command left; the last has to succeed. */
  finish: readonly Job[]
  /** Shell that prints all that must be as before, when it is run on the machine that is played; else it is a sandbox. */
  machine?: true
}

const cnilab = (...words: string[]): Job => ({ argv: [process.execPath, program, ...words] })

const plugin = (command: string): Job => ({
  argv: [process.execPath, join(program, '../../plugins/main.cjs'), join(program, '../../plugins/bridge')],
  env: {
    CNI_COMMAND: command,
    CNI_CONTAINERID: 'c',
    CNI_NETNS: '/run/netns/red',
    CNI_IFNAME: 'eth0',
    CNI_PATH: join(program, '../../plugins'),
  },
  input: JSON.stringify(network()),
})

const SCENARIOS: readonly Scenario[] = [
  { name: 'netns create', prepare: [], command: cnilab('netns', 'create', 'red'), finish: [cnilab('clean')] },
  { name: 'lab run', prepare: [], command: cnilab('lab', 'run', 'eight-steps', '--auto'), finish: [cnilab('clean')] },
  {
    name: 'clean',
    prepare: [cnilab('netns', 'create', 'red')],
    command: cnilab('clean'),
    finish: [cnilab('clean')],
  },
  {
    name: 'bridge add --host',
    prepare: [],
    command: cnilab('bridge', 'add', 'c', 'red', '--host'),
    finish: [cnilab('bridge', 'del', 'c', 'red', '--host')],
    machine: true,
  },
  { name: 'ADD of the plugin', prepare: [], command: plugin('ADD'), finish: [plugin('DEL')], machine: true },
  {
    name: 'DEL of the plugin',
    prepare: [plugin('ADD')],
    command: plugin('DEL'),
    finish: [plugin('DEL')],
    machine: true,
  },
]

/** Plays a machine of its own. What plugins keep for ever, such as their stores, is made once. */
const MACHINE = `mount -t tmpfs run /run; mount -t tmpfs lib /var/lib; mkdir /run/netns; ip link set lo up; ip netns add red; exec "$@"`
const DUMP: Job = {
  argv: [
    'sh',
    '-c',
    `ip -o link | cut -d: -f2; ip -o -4 address; nft list ruleset; ls /run/netns; ip -n red -o link | cut -d: -f2
cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/*/forwarding /proc/sys/net/ipv4/conf/all/accept_redirects
find /var/lib/cni -type f ! -name lock ! -name '.by-*' ! -name 'last_*'; ls -d /run/cnilab-batch* /tmp/cnilab-batch*`,
  ],
}

/** Where commands are run, one after the other. */
class Place {
  readonly folder = mkdtempSync(join(tmpdir(), 'cnilab-faults-'))
  readonly #isMachine: boolean
  readonly #env: Record<string, string>
  readonly #runner: ChildProcessWithoutNullStreams
  readonly #reports: AsyncIterator<string>

  constructor(isMachine: boolean) {
    const words = [process.execPath, join(import.meta.dirname, 'runner.ts')]
    const [file = '', ...args] = isMachine ? ['unshare', '-Urnm', 'sh', '-c', MACHINE, 'sh', ...words] : words
    mkdirSync(join(this.folder, 'home'))
    this.#isMachine = isMachine
    this.#env = {
      PATH: '/usr/sbin:/usr/bin',
      HOME: join(this.folder, 'home'),
      XDG_RUNTIME_DIR: this.folder,
      NODE_DISABLE_COMPILE_CACHE: '1',
      NO_COLOR: '1',
    }
    this.#runner = spawn(file, args, { env: this.#env })
    this.#runner.stderr.setEncoding('utf8').on('data', (text: string) => console.error(text))
    this.#reports = createInterface({ input: this.#runner.stdout })[Symbol.asyncIterator]()
  }

  /** Runs a command under the eyes of the supervisor, as all is from then on that it leaves running. */
  async watch(job: Job, fault?: Fault): Promise<Report> {
    this.#runner.stdin.write(`${JSON.stringify(fault ? { ...job, fault } : job)}\n`)
    const { value } = await this.#reports.next()
    const report: Report = JSON.parse(typeof value === 'string' ? value : '')
    return report
  }

  /** Runs one in the same place whose calls do not matter, which is several times as fast. */
  async run({ argv, env, input }: Job): Promise<Pick<Report, 'status' | 'stdout' | 'stderr'>> {
    const enter = ['nsenter', '-t', String(this.#runner.pid), '-U', '-n', '-m', '--preserve-credentials', '--']
    const [file = '', ...args] = this.#isMachine ? [...enter, ...argv] : argv
    const child = spawn(file, args, { env: { ...this.#env, ...env } })
    let [stdout, stderr] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.stdin.on('error', () => undefined).end(input)
    const status = await new Promise<number | null>((resolve) => child.on('close', resolve))
    return { status, stdout, stderr }
  }

  /** What is there that a command could have left. */
  async state(): Promise<string> {
    if (this.#isMachine) return (await this.run(DUMP)).stdout
    await eventually(() => processesWith(`${this.folder}/cnilab`).length === 0)
    const files = readdirSync(this.folder, { recursive: true }).map(String).filter(isNoState)
    return [...files, ...processesWith(`${this.folder}/cnilab`)].join('\n')
  }

  end(): void {
    // Not by the end of its input: without its supervisor, it would wait for an answer to each call.
    this.#runner.kill('SIGKILL')
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** Locks stay, and so do the folders of the user's files. */
function isNoState(path: string): boolean {
  return !/^home(\/\.local(\/state(\/cnilab(\/locks.*)?)?)?)?$/.test(path)
}

/** What is tried at each change: the first call of each of these. */
const USUAL = [
  /^fork by (MainThread|sh)/,
  /^exec .*\/(nsenter|ip) /,
  /^exec .*\/nft /,
  /^exec .*\/rm /,
  /^open .*(journal|by-attachment)/,
  /^open .*sandbox\.json/,
  /^write .*(journal|ip_forward)/,
  /^mkdir /,
]

/** Of all calls the first, the second and the last of each label: in between there is nothing new. */
function faultsOf(calls: readonly string[]): Fault[] {
  const counts = new Map<string, number>()
  for (const label of calls) counts.set(label, (counts.get(label) ?? 0) + 1)
  const usual = USUAL.flatMap((pattern) => calls.find((label) => pattern.test(label)) ?? [])
  const chosen = isLong
    ? [...counts].flatMap(([label, count]) =>
        [...new Set([0, 1, count - 1])].filter((nth) => nth < count).map((nth) => ({ label, nth })),
      )
    : usual.map((label) => ({ label, nth: 0 }))
  return chosen.flatMap((one) => [
    { ...one, kill: false },
    { ...one, kill: true },
  ])
}

/** What is in no message. */
const STACK = /a bug in cnilab|\n\s+at .*:\d+:\d+/

/** As long as a sandbox may take to be made, and some more: ms. */
const LONGEST = 30_000

/** What is wrong with how a command ended. */
function wrongWith({ status, signal, stdout, stderr, ms }: Report, fault: Fault): string | undefined {
  const how = `${signal ?? `exit ${status}`} after ${Math.round(ms)} ms: ${stdout}${stderr}`
  if (ms > LONGEST) return `it took long: ${how}`
  if (STACK.test(stdout + stderr)) return `it shows a fault of its own: ${how}`
  if (!fault.kill && ![0, 1, 3].includes(status ?? -1)) return `it ended like none of ours: ${how}`
  return undefined
}

describe('a system call fails, or its caller is killed', () => {
  it.each(SCENARIOS)(
    '$name',
    async ({ name, prepare, command, finish, machine = false }) => {
      const place = new Place(machine)
      const wrong: string[] = []
      try {
        await place.watch({ argv: ['true'] }) // once there is the machine
        for (const job of [...prepare, command, ...finish]) expect(await place.run(job)).toMatchObject({ status: 0 })
        const before = await place.state()
        for (const job of prepare) await place.watch(job)
        const { calls } = await place.watch(command)
        for (const job of finish) await place.run(job)
        const faults = faultsOf(calls)
        // By netlink, a plugin starts no program.
        expect(faults.length).toBeGreaterThan(name.endsWith('of the plugin') ? 3 : 4)
        let met = 0
        for (const fault of faults) {
          for (const job of prepare) await place.watch(job)
          const report = await place.watch(command, fault)
          if (report.isMet) met++
          const said = [wrongWith(report, fault)]
          for (const job of finish) {
            const { status, stdout, stderr } = await place.run(job)
            if (status !== 0) said.push(`${job.argv.slice(2).join(' ')} ends with ${status}: ${stdout}${stderr}`)
          }
          const after = await place.state()
          if (after !== before) said.push(`left: ${after}\n(before: ${before})`)
          for (const what of said)
            if (what !== undefined)
              wrong.push(`${fault.label} (${fault.nth}), ${fault.kill ? 'killed' : 'failed'}: ${what}`)
          if (wrong.length > 0 && process.env['FAULTS_LOG'] !== undefined) console.log(wrong.splice(0).join('\n'))
        }
        expect(wrong).toEqual([])
        expect(met).toBeGreaterThan(faults.length / 2)
      } finally {
        place.end()
      }
    },
    isLong ? 7_200_000 : 120_000,
  )
})
