import type { ChildProcess } from 'node:child_process'
import { closeSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { ReadStream, type WriteStream } from 'node:tty'
import { visible } from '../visible.ts'
import { environmentOn } from './environment.ts'
import { childrenOf } from './processes.ts'
import type { Host } from './host.ts'
import { inside } from './inside.ts'
import { dropInput, openPty, passOutput, setWindowSize } from './pty.ts'
import { notStarted, start, statusOf } from './spawn.ts'

// A program in a sandbox must not have a descriptor of the machine: with the user's terminal it could type into their shell
// (TIOCSTI), and a file or directory it could reopen. So it gets pipes, or a pseudo-terminal of the sandbox, and we relay
// input and output.

/** Signals to pass on. On a terminal, Ctrl-C arrives as a character instead. */
const PASSED = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const

/**
 * Runs a program in a sandbox, from outside. Returns its exit status as a shell would. It gets a terminal only if its input
 * and output are both our terminal: otherwise another program of the same pipeline, such as a pager, uses that, too, and
 * must not find it in raw mode.
 */
export async function execRelayed(
  host: Host,
  netns: string | undefined,
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<number> {
  const options = { detached: true, cwd: '/', env: { ...environmentOn(host), ...env } }
  if (!process.stdin.isTTY || !process.stdout.isTTY) {
    const [file = '', ...rest] = inside(host, netns, argv)
    const child = start(file, rest, { ...options, stdio: 'pipe' })
    return untilEnd(child, file, carryPipes(child))
  }
  // setsid starts a session with the pseudo-terminal as its controlling terminal.
  const [file = '', ...rest] = inside(host, netns, ['setsid', '--ctty', ...argv])
  const { master, slave } = openPty(host)
  const child = start(file, rest, { ...options, stdio: [slave, slave, process.stderr.isTTY ? slave : 'pipe'] })
  closeSync(slave)
  return untilEnd(child, file, carryTerminal(child, master, process.stdout))
}

/** Stops relaying, once all output has been relayed. */
type Stop = () => Promise<void>

/** Passes signals on until the program has ended, and then stops relaying. */
async function untilEnd(child: ChildProcess, file: string, stop: Stop): Promise<number> {
  const pass = (signal: NodeJS.Signals) => {
    for (const pid of descendantsOf(child.pid)) send(signal, pid)
  }
  for (const signal of PASSED) process.on(signal, pass)
  try {
    return await new Promise<number>((resolve, reject) => {
      child.on('error', (error) => reject(notStarted(file, error)))
      child.on('exit', (code, signal) => resolve(code ?? statusOf(signal ?? undefined)))
    })
  } finally {
    await stop()
    for (const signal of PASSED) process.off(signal, pass)
  }
}

/** How long to wait for output after the program has ended, in ms: a child may still hold the pipe open. */
const LAST_WORDS = 100

function carryPipes(child: ChildProcess): Stop {
  const carried = [carryOutput(child.stdout, process.stdout), carryOutput(child.stderr, process.stderr)]
  child.stdin?.on('error', () => undefined) // it may end without reading everything
  if (child.stdin) process.stdin.pipe(child.stdin)
  return async () => {
    process.stdin.unpipe()
    process.stdin.pause()
    // A pipe or a file that is not read to its end would keep this process alive.
    if ('unref' in process.stdin) process.stdin.unref()
    await Promise.all(carried.map((stop) => stop()))
  }
}

/**
 * Relays a pipe of the program to a stream of ours. If that is a terminal, the output must not control it. If nobody reads
 * our stream any more, the program's next write fails: without that, it would block for ever.
 */
function carryOutput(from: Readable | null, to: NodeJS.WriteStream): Stop {
  if (!from) return () => Promise.resolve()
  const untilQuiet = listenTo(from)
  const close = () => from.destroy()
  to.on('error', close)
  if (to.isTTY) {
    from.setEncoding('utf8')
    from.on('data', (text: string) => to.write(visible(text.replaceAll('\r\n', '\n'))))
  } else from.pipe(to, { end: false })
  return async () => {
    await untilQuiet()
    to.off('error', close)
    from.destroy()
  }
}

/** Returns a function that waits until a stream has closed, or has been quiet for a while. */
function listenTo(stream: Readable): () => Promise<void> {
  const heard = { last: 0, isOver: false }
  stream
    .on('data', () => (heard.last = performance.now()))
    .on('close', () => (heard.isOver = true))
    .on('error', () => stream.destroy()) // EIO from a pseudo-terminal: the last program that had it open has ended
  return async () => {
    const since = performance.now()
    while (!heard.isOver && performance.now() - Math.max(heard.last, since) < LAST_WORDS) await sleep(5)
  }
}

/** Relays between the user's terminal, in raw mode, and a pseudo-terminal. */
function carryTerminal(child: ChildProcess, master: number, screen: WriteStream): Stop {
  const stopErrors = carryOutput(child.stderr, process.stderr)
  const terminal = new ReadStream(master)
  const untilQuiet = listenTo(terminal)
  terminal.on('data', (bytes: Buffer) => screen.write(bytes))
  const { stdin } = process
  const type = (bytes: Buffer | string) => void terminal.write(bytes)
  const resize = () => setWindowSize(master, { columns: screen.columns || 80, rows: screen.rows || 24 })
  resize()
  screen.on('resize', resize)
  stdin.setRawMode(true)
  passOutput(stdin.fd)
  stdin.on('data', type).resume()
  return async () => {
    await untilQuiet()
    screen.off('resize', resize)
    stdin.off('data', type).pause()
    stdin.setRawMode(false)
    // The terminal's reply to a last-moment query must not be taken for a command.
    dropInput(stdin.fd)
    terminal.destroy()
    await stopErrors()
  }
}

function send(signal: NodeJS.Signals, pid: number): void {
  try {
    process.kill(pid, signal)
  } catch {
    // it has ended meanwhile
  }
}

/** The descendants of a process (proc(5)): nsenter's child is the program, which would outlive nsenter. */
function descendantsOf(pid: number | undefined): number[] {
  return pid === undefined ? [] : childrenOf(pid).flatMap((child) => [...descendantsOf(child), child])
}
