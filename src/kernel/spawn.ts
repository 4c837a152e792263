import childProcess from 'node:child_process'
import { accessSync, closeSync, constants, fstatSync, openSync, readSync, statfsSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Writable } from 'node:stream'
import { CnilabError } from '../errors.ts'
import { APP } from './host.ts'
import { dropsPrivileges } from './user.ts'

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
 * Runs a program and collects what it prints; never throws for an exit status. A lab starts some forty of them one after
 * the other: execa would add half as much again to each (and 25 ms to load), so this is Node's own spawn. `env` is the
 * whole environment.
 * Throws CnilabError `machine` when the program is not installed.
 */
export async function spawn(
  argv: readonly string[],
  input = '',
  signal?: AbortSignal,
  env: NodeJS.ProcessEnv = { ...process.env, LC_ALL: 'C', PATH: searchPath() },
): Promise<Finished> {
  const [file = '', ...rest] = argv
  const { promise, resolve, reject } = Promise.withResolvers<Finished>()
  const child = withPipes(childProcess.spawn(file, rest, { env, ...(signal ? { signal } : {}) }))
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  child.stdin.on('error', () => undefined) // it may end without reading all
  child.stdin.end(input)
  child.on('error', (error: NodeJS.ErrnoException) => {
    if (error.name === 'AbortError') return // it is being killed, and then closes
    reject(error.code === 'ENOENT' ? missing(file) : error)
  })
  child.on('close', (code, by) => {
    if (signal?.aborted === true) reject(new CnilabError('interrupted', 'interrupted'))
    else resolve({ code: code ?? undefined, signal: by ?? undefined, stdout, stderr })
  })
  return promise.then(refuseMissing)
}

/**
 * The same for a process that starts few programs and ends: what they read and print goes through files without a name,
 * since to load the streams of pipes takes longer than such a program. Where no folder has room for them, it is pipes.
 */
export function spawnByFiles(argv: readonly string[], input = ''): Promise<Finished> {
  const files = openFiles(input)
  if (!files) return spawn(argv, input)
  const [file = '', ...rest] = argv
  const env = { ...process.env, LC_ALL: 'C', PATH: searchPath() }
  const { promise, resolve, reject } = Promise.withResolvers<Finished>()
  const child = childProcess.spawn(file, rest, { env, stdio: [...files, ...(lent === undefined ? [] : [lent])] })
  child.on('error', (error: NodeJS.ErrnoException) => reject(error.code === 'ENOENT' ? missing(file) : error))
  child.on('exit', (code, by) => {
    const [, stdout, stderr] = files
    resolve({ code: code ?? undefined, signal: by ?? undefined, stdout: textOf(stdout), stderr: textOf(stderr) })
  })
  return promise.then(refuseMissing).finally(() => files.forEach((fd) => closeSync(fd)))
}

/** Whether a process got pipes: where this one may not open more files, Node says so later, and there are none. */
export function hasPipes(child: childProcess.ChildProcess): boolean {
  return Reflect.get(child, 'stdout') !== undefined
}

/** Refuses one that got none: CnilabError `machine`. */
export function withPipes<T extends childProcess.ChildProcess>(child: T): T {
  if (hasPipes(child)) return child
  child.on('error', () => undefined)
  throw new CnilabError('machine', 'this process may not open as many files as it needs', {
    fix: 'ulimit -n 1024, and run the command again',
  })
}

/** Throws if nsenter(1) says that it did not find the program that it was to start. */
function refuseMissing(finished: Finished): Finished {
  const [, lost] = /failed to execute (\S+): No such file/.exec(finished.stderr) ?? []
  if (lost !== undefined) throw missing(lost)
  return finished
}

/** The descriptor that programs get besides: a lock lasts until the last of them has ended. */
let lent: number | undefined

/** Lends a descriptor to the programs that `spawnByFiles` starts from now on; none with undefined. */
export function lend(fd: number | undefined): void {
  lent = fd
}

/** O_TMPFILE of open(2), to which Node gives no name. */
const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY

/** What a program may print, in bytes: were a file system full, the rest would be lost without a word. */
const ROOM = 32 * 1024 * 1024

/**
 * Opens files that have no name, so that nothing is left of them: with the text that a program is to read, and for what
 * it prints. Undefined if there is no place for them.
 */
function openFiles(input: string): [number, number, number] | undefined {
  for (const folder of ['/run', '/dev/shm', tmpdir()]) {
    const opened: number[] = []
    const open = () => {
      const fd = openSync(folder, constants.O_RDWR | O_TMPFILE, 0o600)
      opened.push(fd)
      return fd
    }
    try {
      const { bavail, bsize } = statfsSync(folder)
      if (bavail * bsize < ROOM) continue
      const stdin = open()
      if (input !== '') writeSync(stdin, input, 0)
      return [stdin, open(), open()]
    } catch {
      // not every folder can be written, and not every file system has such files
      for (const fd of opened) closeSync(fd)
    }
  }
  return undefined
}

/** All that a file holds, wherever who wrote it stands. */
function textOf(fd: number): string {
  const bytes = Buffer.alloc(fstatSync(fd).size)
  readSync(fd, bytes, 0, bytes.length, 0)
  return bytes.toString('utf8')
}

const systemFolders = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']

/** The search path with the system folders, which an ordinary user's often lacks and where `ip`, `nft` and `sysctl` live. */
export function searchPath(): string {
  const folders = (process.env['PATH'] ?? '').split(':').filter((folder) => folder !== '')
  return [...folders, ...systemFolders.filter((folder) => !folders.includes(folder))].join(':')
}

/** Whether a program is installed, where `spawn` would find it. */
export function isInstalled(program: string): boolean {
  return searchPath()
    .split(':')
    .some((folder) => {
      try {
        accessSync(join(folder, program), constants.X_OK)
        return true
      } catch {
        return false
      }
    })
}

/**
 * The environment of a program that a user runs in a sandbox: `cnilab` is on its path. Root's sandbox belongs to an
 * unprivileged user, to whom root's own folders are closed: there, home is /tmp and the path the system's alone.
 */
export function sandboxEnvironment(): Record<string, string> {
  if (!dropsPrivileges()) return { PATH: `${APP.bin}:${searchPath()}` }
  return {
    PATH: `${APP.bin}:${systemFolders.join(':')}`,
    HOME: '/tmp',
    XDG_RUNTIME_DIR: '',
    XDG_CACHE_HOME: '/tmp/.cache',
  }
}

/** The error for a program that is not installed. */
export function missing(tool: string): CnilabError {
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
  /** Resolves when its output is closed: it has ended, or was let go of. */
  ended: Promise<void>
  /** Lets go of it, so that this process can end; the lifeline is closed. */
  release: () => void
}

/** Starts a program in a session of its own, with / as its folder and no descriptors but the three. */
export function spawnDetached(argv: readonly string[]): Detached {
  const [file = '', ...rest] = argv
  const env = { ...process.env, LC_ALL: 'C', PATH: searchPath() }
  const child = withPipes(childProcess.spawn(file, rest, { cwd: '/', detached: true, env }))
  child.unref()
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
    child.on('error', reject)
    stderr.on('close', () => {
      reject(new CnilabError('machine', complaint.trim() || 'it ended without a word'))
    })
  })
  const ended = new Promise<void>((resolve) => stderr.on('close', () => resolve()))
  const release = () => {
    stdin.end()
    stdout.destroy()
    stderr.destroy()
  }
  return { lifeline: stdin, firstLine, ended, release }
}
