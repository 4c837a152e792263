// A program: runs command lines, one after the other, and lets a system call of one of them fail, whoever makes it: the
// program itself, or any that it starts. It reads a Job in each line of stdin, and prints a Report for each.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import koffi from 'koffi'
import { CALLS, type Fault, type Order, type Supervised } from './calls.ts'

/** A command line to run, and what is to happen to it. */
export interface Job {
  argv: readonly string[]
  env?: Readonly<Record<string, string>>
  input?: string
  fault?: Fault
}

/** What became of it. */
export interface Report extends Supervised {
  status: number | null
  signal: string | null
  stdout: string
  stderr: string
  ms: number
}

/** No command may take longer, in ms. */
const LONGEST = 40_000

const c = koffi.load(null)
const seccomp = c.func('long syscall(long, long, long, const uint8_t *)')
const prctl = c.func('int prctl(int, long, long, long, long)')
const SECCOMP = process.arch === 'x64' ? 317 : 277
const SET_MODE_FILTER = 1
/** SECCOMP_FILTER_FLAG_NEW_LISTENER, and …_WAIT_KILLABLE_RECV: a signal does not begin the call anew. */
const FLAGS = (1 << 3) | (1 << 5)
const SET_NO_NEW_PRIVS = 38
const SET_PTRACER = 0x59616d61
const NOTIFY = 0x7fc00000
const ALLOW = 0x7fff0000

const supervisor = spawn(process.execPath, [join(import.meta.dirname, 'supervisor.ts')], {
  stdio: ['pipe', 'pipe', 'inherit'],
})
const answers = createInterface({ input: supervisor.stdout })[Symbol.asyncIterator]()
prctl(SET_PTRACER, supervisor.pid ?? 0, 0, 0, 0) // it takes a descriptor of ours
filter()

for await (const line of createInterface({ input: process.stdin })) {
  const job: Job = JSON.parse(line)
  process.stdout.write(`${JSON.stringify(await run(job))}\n`)
}
supervisor.stdin.end()

function say(order: Order): void {
  supervisor.stdin.write(`${JSON.stringify(order)}\n`)
}

/** From now on this thread, and all that it starts, asks the supervisor, which finds the descriptor. */
function filter(): void {
  const numbers = CALLS.map(({ number }) => number)
  const program = Buffer.concat([
    instruction(0x20, 0, 0, 0),
    ...numbers.map((number, i) => instruction(0x15, numbers.length - i, 0, number)),
    instruction(0x06, 0, 0, ALLOW),
    instruction(0x06, 0, 0, NOTIFY),
  ])
  const header = Buffer.alloc(16) // struct sock_fprog
  header.writeUInt16LE(program.length / 8, 0)
  header.writeBigUInt64LE(koffi.address(program), 8)
  if (process.getuid?.() !== 0) prctl(SET_NO_NEW_PRIVS, 1, 0, 0, 0)
  const fd = Number(seccomp(SECCOMP, SET_MODE_FILTER, FLAGS, header))
  if (fd < 0) throw new Error(`seccomp(2) gives no listener: errno ${koffi.errno()}`)
}

function instruction(code: number, ifTrue: number, ifFalse: number, operand: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeUInt16LE(code, 0)
  bytes.writeUInt8(ifTrue, 2)
  bytes.writeUInt8(ifFalse, 3)
  bytes.writeUInt32LE(operand, 4)
  return bytes
}

async function run({ argv: [file = '', ...args], env, input = '', fault }: Job): Promise<Report> {
  say({ order: 'begin', fault })
  const started = performance.now()
  const child = spawn(file, args, { env: { ...process.env, ...env }, timeout: LONGEST, killSignal: 'SIGKILL' })
  const printed = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const)
    child[name].setEncoding('utf8').on('data', (text: string) => (printed[name] += text))
  child.stdin.on('error', () => undefined).end(input)
  const [status, signal] = await new Promise<[number | null, string | null]>((resolve, reject) => {
    child.on('error', reject)
    // Whatever it left behind may hold its output.
    child.on('exit', (...how) => setTimeout(() => resolve(how), 1000))
    child.on('close', (...how) => resolve(how))
  })
  const ms = performance.now() - started
  child.stdout.destroy()
  child.stderr.destroy()
  say({ order: 'end' })
  const answer = await answers.next()
  const supervised: Supervised = JSON.parse(answer.value ?? '')
  return { status, signal, ...printed, ms, ...supervised }
}
