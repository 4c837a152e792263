import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { type Kernel, kernelOf } from '../src/kernel/kernel.ts'
import { searchPath } from '../src/kernel/environment.ts'
import { createSandbox, type LiveSandbox } from '../src/sandbox/create.ts'
import { listSandboxes } from '../src/sandbox/find.ts'
import { removeSandbox } from '../src/sandbox/remove.ts'

/** A runtime folder of this test file's own: its sandboxes are nobody else's. */
export const runtime = mkdtempSync(join(tmpdir(), 'cnilab-test-'))
process.env['XDG_RUNTIME_DIR'] = runtime
process.env['XDG_STATE_HOME'] = join(runtime, 'state')
// What the tests run by themselves, such as nft and sysctl, is not on an ordinary user's path.
process.env['PATH'] = searchPath()

/** The built program. */
export const program = join(import.meta.dirname, '..', 'dist', 'src', 'cnilab.js')

afterAll(async () => {
  await removeSandboxes()
  // rmSync would stop, and say nothing, at a folder that a sandbox's own end removes in that moment.
  await rm(runtime, { recursive: true, force: true })
})

/** Removes this file's sandboxes. Through the library, so that a broken `clean` fails its own test alone. */
export async function removeSandboxes(): Promise<void> {
  await Promise.all(listSandboxes().map(removeSandbox))
}

/** Runs `use` with a sandbox of its own, and removes it whatever happens. */
export async function withSandbox<T>(use: (kernel: Kernel, live: LiveSandbox) => Promise<T>): Promise<T> {
  const live = await createSandbox('test')
  try {
    return await use(kernelOf(live.host), live)
  } finally {
    await removeSandbox(live.sandbox)
    live.end()
  }
}

/** What a finished run of the program left. */
export interface Run {
  code: number | null
  stdout: string
  stderr: string
}

/** Runs the built program. `meanwhile` gets its process while it runs; `extra` is added to its environment. */
export function cli(
  args: readonly string[],
  input = '',
  meanwhile?: (kill: (signal: NodeJS.Signals) => void) => void,
  extra: Readonly<Record<string, string>> = {},
): Promise<Run> {
  const child = spawn(process.execPath, [program, ...args], {
    env: { ...process.env, XDG_RUNTIME_DIR: runtime, NO_COLOR: '1', ...extra },
  })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  child.stdin.on('error', () => undefined).end(input)
  meanwhile?.((signal) => child.kill(signal))
  // Ended by SIGINT before the program could see it: 130, as a shell says.
  return new Promise((resolve) =>
    child.on('close', (code, signal) => resolve({ code: signal === 'SIGINT' ? 130 : code, stdout, stderr })),
  )
}

/**
 * What to wait for on the screen, the keys to type then, or what to do (`close` closes the terminal), which may lead to keys,
 * and how many ms later.
 */
type Typed = readonly (readonly [string, string | ((close: () => void) => void | Promise<string>), number?])[]

/**
 * Runs the program on a terminal, made by script(1). Each key is typed once the text before it has been shown; returns
 * the exit status, or undefined if it had not ended after 50 s.
 */
export function onTerminal(args: string, typed: Typed = []): ReturnType<typeof shellOnTerminal> {
  // exec: a shell that stays would die of the Ctrl-C itself (dash), and tell its own status.
  return shellOnTerminal(`exec "${process.execPath}" "${program}" ${args}`, typed)
}

/** The same for a line of shell. */
export function shellOnTerminal(
  command: string,
  typed: Typed = [],
): Promise<{ code: number | undefined; screen: string }> {
  const child = spawn('script', ['-qefc', `stty cols 100 rows 40; ${command}`, '/dev/null'], {
    env: { ...process.env, XDG_RUNTIME_DIR: runtime, TERM: 'xterm' },
  })
  let screen = ''
  let [next, from] = [0, 0]
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    screen += text
    for (const [shown, keys, later = 0] of typed.slice(next)) {
      const at = screen.indexOf(shown, from)
      if (at < 0) return
      from = at + shown.length
      next++
      setTimeout(() => {
        const typing = typeof keys === 'string' ? keys : keys(() => child.kill('SIGKILL'))
        if (typing instanceof Promise) void typing.then((made) => child.stdin.write(made))
        else if (typeof typing === 'string') child.stdin.write(typing)
      }, later)
    }
  })
  return new Promise((resolve) => {
    const late = setTimeout(() => {
      child.kill('SIGKILL')
      resolve({ code: undefined, screen })
    }, 50_000)
    child.on('close', (code) => {
      clearTimeout(late)
      resolve({ code: code ?? undefined, screen })
    })
  })
}

/** A line of shell for `shellOnTerminal` that runs the program, and `resize`, which gives its window another size meanwhile. */
export function inResizedWindow(size: string, args: string): { command: string; resize: () => Promise<boolean> } {
  const [wanted, done] = [join(runtime, 'resize'), join(runtime, 'resized')]
  const resizing = `until [ -e ${wanted} ]; do sleep 0.1; done; stty ${size} <&3; : >${done}`
  return {
    command: `exec 3<&0; (${resizing}) & exec "${process.execPath}" "${program}" ${args}`,
    resize: () => {
      writeFileSync(wanted, '')
      return eventually(() => existsSync(done))
    },
  }
}

/**
 * Runs a shell script as root of namespaces of its own, with an empty /run, so that it can play a machine on which cnilab
 * never was. Returns its exit status and what it printed.
 */
export function onEmptyMachine(script: string, input = ''): { status: number | null; stdout: string } {
  const { status, stdout, error } = spawnSync('unshare', ['-Urnm', 'sh', '-c', `mount -t tmpfs run /run; ${script}`], {
    input,
    encoding: 'utf8',
  })
  if (error) throw error
  return { status, stdout }
}

/**
 * The same, with `cnilab` as a function. Returns what the script and the program printed, also on stderr. (In a
 * variable `CNILAB`, the program is for `env` and the like.)
 */
export function onMachine(script: string): string {
  const cnilab = `CNILAB="${process.execPath} ${program}"; cnilab() { NO_COLOR=1 $CNILAB "$@"; }`
  return onEmptyMachine(
    `exec 2>&1; mkdir /run/netns; mount -t tmpfs lib /var/lib; rm -r /run/mount; ${cnilab}; ${script}`,
  ).stdout
}

/** The processes whose command line holds a text, zombies left out. */
export function processesWith(text: string): string[] {
  return readdirSync('/proc').filter((entry) => {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid) return false
    try {
      return (
        readFileSync(`/proc/${entry}/cmdline`, 'utf8').includes(text) &&
        !/\) Z /.test(readFileSync(`/proc/${entry}/stat`, 'utf8'))
      )
    } catch {
      return false
    }
  })
}

/** Waits until something holds, at most twenty seconds, and returns whether it did. */
export async function eventually(holds: () => boolean): Promise<boolean> {
  for (let i = 0; i < 400 && !holds(); i++) await new Promise((resolve) => setTimeout(resolve, 50))
  return holds()
}
