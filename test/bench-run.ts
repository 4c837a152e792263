// How `npm run bench` runs programs and what it can say about them: time, memory, what is left.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import * as z from 'zod'
import { MARKS } from './bench-baselines.ts'

const program = join(import.meta.dirname, '..', 'dist', 'src', 'cnilab.js')

/** A runtime folder of the bench's own (mkdtemp makes it 0700): its sandboxes are nobody else's. */
const runtime = mkdtempSync(join(tmpdir(), 'cnilab-bench-'))
const env = { ...process.env, XDG_RUNTIME_DIR: runtime, XDG_STATE_HOME: join(runtime, 'state'), NO_COLOR: '1' }

let running: ChildProcess | undefined

interface Run {
  ms: number
  stdout: string
  stderr: string
  /** Between the marks in the output, if it has them. */
  markedMs: number | undefined
}

/** Runs a program without blocking, so that marks are timed as they come. Throws if it fails. */
export function run(argv: readonly string[], started?: (pid: number) => void): Promise<Run> {
  const [file = '', ...args] = argv
  const { promise, resolve, reject } = Promise.withResolvers<Run>()
  const start = performance.now()
  const child = spawn(file, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
  running = child
  let [stdout, stderr] = ['', '']
  const marks: { start?: number; end?: number } = {}
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
    // The marks of a baseline are all that it prints; searching the long JSON of cnilab again and again would cost.
    if (stdout.length > 1000) return
    if (stdout.includes(MARKS.start)) marks.start ??= performance.now()
    if (stdout.includes(MARKS.end)) marks.end ??= performance.now()
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  child.on('error', reject)
  child.on('close', (code, signal) => {
    const ms = performance.now() - start
    if (code !== 0)
      reject(new Error(`${argv.join(' ').slice(0, 100)}…: ${signal ?? `exit ${code}`}: ${stderr.trim().slice(-300)}`))
    const markedMs = marks.start === undefined || marks.end === undefined ? undefined : marks.end - marks.start
    resolve({ ms, stdout, stderr, markedMs })
  })
  if (child.pid !== undefined) started?.(child.pid)
  return promise
}

/**
 * Milliseconds from a change, made by `cause`, to when `lab watch`, on a terminal made by script(1), shows `effect`.
 * Waits first until it shows `ready`, and for as long again as its monitors take to listen.
 */
export async function watched(
  args: string,
  ready: string,
  cause: () => Promise<unknown>,
  effect: string,
): Promise<number> {
  const command = `stty cols 100 rows 40; exec "${process.execPath}" "${program}" lab watch ${args}`
  const child = spawn('script', ['-qefc', command, '/dev/null'], { env: { ...env, TERM: 'xterm' } })
  running = child
  let screen = ''
  let shown: { text: string; tell: () => void } | undefined
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    screen += text
    if (shown && screen.includes(shown.text)) shown.tell()
  })
  const until = (text: string) => new Promise<void>((tell) => (shown = { text, tell }))
  await until(ready)
  await sleep(1500)
  const seen = until(effect)
  await cause()
  const changed = performance.now()
  await seen
  const ms = performance.now() - changed
  child.stdin.write('q')
  await new Promise((resolve) => child.on('close', resolve))
  return Math.max(0, ms)
}

/** The argv that runs the built program. */
export const cnilab = (...args: string[]) => [process.execPath, program, ...args]
/** The argv that runs the lab scale with n containers, and prints JSON. */
export const scale = (n: number, ...more: string[]) =>
  cnilab('lab', 'run', 'scale', '--set', `containers=${n}`, '--json', ...more)

/** Runs a baseline, and returns its wall time, or what its marks enclose. */
export async function baseline(script: string): Promise<number> {
  const { ms, markedMs } = await run(['unshare', '-Urnm', 'sh', '-euc', script])
  return markedMs ?? ms
}

// A run whose checks failed measures nothing.
const report = z.object({ ok: z.literal(true), steps: z.array(z.object({ ms: z.number() })) })

/** Milliseconds in which `lab run scale` built, without sandbox start, checks and teardown. */
export async function build(n: number): Promise<number> {
  const { stdout } = await run(scale(n))
  return report.parse(JSON.parse(stdout)).steps.reduce((sum, { ms }) => sum + ms, 0)
}

/** Namespaces die in the background: what is measured next must not pay for them. */
export const settle = (n: number) => sleep(300 + 2 * n)

/** Whether there is a program of this name. */
export const installed = (name: string) => spawnSync('sh', ['-c', `command -v ${name}`]).status === 0

/** Peak memory of the command in KiB, and how it was found out. */
export async function peak(argv: readonly string[]): Promise<{ kib: number; how: string }> {
  if (spawnSync('/usr/bin/time', ['-v', 'true']).status === 0) {
    // The largest process of the tree, which is cnilab: its children are small.
    const { stderr } = await run(['/usr/bin/time', '-v', ...argv])
    const kib = /Maximum resident set size \(kbytes\): (\d+)/.exec(stderr)?.[1]
    if (kib !== undefined) return { kib: Number(kib), how: 'time -v' }
  }
  let kib = 0
  let poll: NodeJS.Timeout | undefined
  const read = (pid: number) => {
    try {
      kib = Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? kib)
    } catch {
      // It has ended between two looks.
    }
  }
  await run(argv, (pid) => (poll = setInterval(() => read(pid), 10))).finally(() => clearInterval(poll))
  return { kib, how: 'VmHWM' }
}

/** Processes of a sandbox, zombies left out: its name is an argument of the holder and of those around it. */
export function holders(sandbox: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      return (
        /^\d+$/.test(pid) &&
        readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`cnilab/holder\0${sandbox}\0`) &&
        !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
      )
    } catch {
      return false
    }
  })
}

/** Ends every sandbox of the bench, whatever happened before, and removes its folder. */
export function cleanUp(): void {
  // A signal came in the middle of a run. SIGKILL: `lab run` then leaves everything to the kernel, as a baseline does.
  if (running?.exitCode === null && running.signalCode === null) running.kill('SIGKILL')
  const names = z.object({ sandboxes: z.array(z.object({ name: z.string() })) })
  const [file = '', ...args] = cnilab('sandbox', 'list', '--json')
  const listed = spawnSync(file, args, { env, encoding: 'utf8' })
  const known = listed.status === 0 ? names.safeParse(JSON.parse(listed.stdout)) : undefined
  for (const { name } of known?.data?.sandboxes ?? [])
    spawnSync(process.execPath, [program, 'sandbox', 'delete', name], { env })
  rmSync(runtime, { recursive: true, force: true })
}
