import type { Writable } from 'node:stream'
import { CnilabError } from '../errors.ts'
import { APP } from './host.ts'

/** What a finished process left. `code` is undefined when a signal ended it. */
export interface Finished {
  code: number | undefined
  signal: string | undefined
  stdout: string
  stderr: string
}

/** Names of the packages that bring a tool, for messages; `doctor` knows how to install them. */
const packages: Record<string, string> = { nft: 'nftables', ping: 'ping', ip: 'iproute2', sysctl: 'procps' }

/**
 * Runs a program and collects what it prints; never throws for an exit status.
 * Throws CnilabError `machine` when the program is not installed.
 */
export async function spawn(argv: readonly string[], input = '', signal?: AbortSignal): Promise<Finished> {
  const { execa } = await import('execa') // the dearest of all imports: not for commands that only print
  const [file = '', ...rest] = argv
  const result = await execa(file, rest, {
    input,
    reject: false,
    stripFinalNewline: false,
    env: { LC_ALL: 'C', PATH: searchPath() },
    ...(signal ? { cancelSignal: signal } : {}),
  })
  if ('code' in result && result.code === 'ENOENT') throw missing(file)
  if (result.isCanceled) throw new CnilabError('interrupted', 'interrupted')
  const lost = /failed to execute (\S+): No such file/.exec(result.stderr)?.[1]
  if (lost !== undefined) throw missing(lost)
  return { code: result.exitCode, signal: result.signal, stdout: result.stdout, stderr: result.stderr }
}

const systemFolders = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']

/** The search path with the system folders, which an ordinary user's often lacks and where `ip`, `nft` and `sysctl` live. */
export function searchPath(): string {
  const folders = (process.env['PATH'] ?? '').split(':').filter((folder) => folder !== '')
  return [...folders, ...systemFolders.filter((folder) => !folders.includes(folder))].join(':')
}

/**
 * The environment of a program that a user runs in a sandbox: `cnilab` is on its path. Root's sandbox belongs to an
 * unprivileged user, to whom root's own folders are closed: there, home is /tmp and the path the system's alone.
 */
export function sandboxEnvironment(): Record<string, string> {
  if (process.getuid?.() !== 0) return { PATH: `${APP.bin}:${searchPath()}` }
  return {
    PATH: `${APP.bin}:${systemFolders.join(':')}`,
    HOME: '/tmp',
    XDG_RUNTIME_DIR: '',
    XDG_CACHE_HOME: '/tmp/.cache',
  }
}

function missing(tool: string): CnilabError {
  const from = packages[tool]
  return new CnilabError(
    'machine',
    `${tool} is not installed${from === undefined || from === tool ? '' : ` (package ${from})`}`,
    {
      fix: 'cnilab doctor --fix',
    },
  )
}

/** A process with a session of its own that may outlive this one. */
export interface Detached {
  /** Its standard input. While it is open, the process knows that we live. */
  lifeline: Writable
  /** The first line that it prints; rejects with what it said on stderr if it ends without one. */
  firstLine: Promise<string>
  /** Lets go of it, so that this process can end; the lifeline is closed. */
  release: () => void
}

/** Starts a program in a session of its own, with / as its folder and no descriptors but the three. */
export async function spawnDetached(argv: readonly string[]): Promise<Detached> {
  const { execa } = await import('execa')
  const [file = '', ...rest] = argv
  const child = execa(file, rest, {
    cwd: '/',
    detached: true,
    cleanup: false,
    buffer: false,
    reject: false,
    stdin: 'pipe',
    env: { LC_ALL: 'C', PATH: searchPath() },
  })
  child.nodeChildProcess.unref()
  const { stdin, stdout, stderr } = child
  stdin.on('error', () => undefined) // it may end before we let go of it
  let complaint = ''
  stderr.setEncoding('utf8').on('data', (text: string) => (complaint += text))
  const firstLine = new Promise<string>((resolve, reject) => {
    let said = ''
    stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text
      if (said.includes('\n')) resolve(said.split('\n')[0] ?? '')
    })
    stderr.on('close', () => {
      reject(new CnilabError('machine', complaint.trim() || 'it ended without a word'))
    })
  })
  const release = () => {
    stdin.end()
    stdout.destroy()
    stderr.destroy()
  }
  return { lifeline: stdin, firstLine, release }
}
