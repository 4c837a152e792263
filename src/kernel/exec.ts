import { constants } from 'node:os'
import { existsSync } from 'node:fs'
import type { Host } from './host.ts'
import { inside } from './inside.ts'
import { readText } from './read-file.ts'
import { sandboxEnvironment, searchPath } from './spawn.ts'
import { dropsPrivileges } from './user.ts'

/**
 * Runs a program on a host with this process's own terminal, and returns its exit status as a shell would:
 * 128 + n after signal n, 127 when it was not found. `output` stderr keeps our own stdout clean.
 */
export async function exec(
  host: Host,
  netns: string | undefined,
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
  output: 'stdout' | 'stderr' = 'stdout',
): Promise<number> {
  // In a sandbox as it is outside, if it can be seen there; root's sandbox belongs to another user, who may not.
  const here = currentFolder()
  const folder = here !== undefined && !dropsPrivileges() && existsSync(`${host.root}${here}`) ? here : '/tmp'
  const enter = host.enter.map((argument) => (argument === '--' ? [`--wdns=${folder}`, '--'] : [argument])).flat()
  const [file = '', ...rest] = [
    ...(process.stdin.isTTY ? TERMINAL_BACK : []),
    ...(enter.length === 0
      ? inside(host, netns, argv)
      : [...SHIELD, ...inside({ ...host, enter }, netns, [...RESTORED, ...argv])]),
  ]
  const ignore = () => undefined // Ctrl-C is the program's; it ends, and then we do
  const { execa } = await import('execa')
  process.on('SIGINT', ignore)
  const pass = (signal: NodeJS.Signals) => {
    for (const pid of [...descendantsOf(running.pid), running.pid]) send(signal, pid)
  }
  for (const signal of ENDING) process.on(signal, pass)
  const running = execa(file, rest, {
    stdin: 'inherit',
    stdout: output === 'stdout' ? 'inherit' : process.stderr,
    stderr: 'inherit',
    reject: false,
    cwd: here ?? '/',
    env: {
      // cnilab in there means this sandbox, whatever was named out here.
      ...(host.kind === 'sandbox' ? { ...sandboxEnvironment(), CNILAB_SANDBOX: host.name } : { PATH: searchPath() }),
      ...env,
    },
  })
  try {
    const result = await running
    if ('code' in result && result.code === 'ENOENT') {
      process.stderr.write(`cnilab: ${file}: not found\n`)
      return 127
    }
    const number = result.signal === undefined ? 0 : constants.signals[result.signal]
    return result.exitCode ?? 128 + number
  } finally {
    process.off('SIGINT', ignore)
    for (const signal of ENDING) process.off(signal, pass)
  }
}

/**
 * A shell in a sandbox takes the terminal for itself and cannot give it back: whose it was is not to be seen from another
 * pid namespace. One out here, with job control (-m), can.
 */
const TERMINAL_BACK = ['sh', '-mc', '"$@"', 'sh']

/** nsenter waits for the program, and must not die of a Ctrl-C that is meant for it; the program gets its signals back. */
const SHIELD = ['sh', '-c', `trap '' INT QUIT; exec "$@"`, 'sh']
const RESTORED = ['env', '--default-signal=INT,QUIT']

function send(signal: NodeJS.Signals, pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(pid, signal)
  } catch {
    // it has ended meanwhile
  }
}

/** Signals that end us, and so have to end the program, too. */
const ENDING = ['SIGTERM', 'SIGHUP'] as const

/** The processes that a process started (proc(5)), and those started: nsenter's is the program, which would outlive it. */
function descendantsOf(pid: number | undefined): number[] {
  try {
    const children = readText(`/proc/${pid}/task/${pid}/children`).trim().split(' ').filter(Boolean)
    return children.map(Number).flatMap((child) => [...descendantsOf(child), child])
  } catch {
    return []
  }
}

/** Undefined where it was deleted meanwhile. */
function currentFolder(): string | undefined {
  try {
    return process.cwd()
  } catch {
    return undefined
  }
}
