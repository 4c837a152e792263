import childProcess from 'node:child_process'
import { closeSync, constants, fstatSync, openSync, readSync, statfsSync, writeSync } from 'node:fs'
import os from 'node:os'
import { CnilabError } from '../errors.ts'
import { searchPath } from './environment.ts'
import { remedyForLimit } from './limits.ts'

/** The result of a process. `code` is undefined if a signal ended it. */
export interface Finished {
  code: number | undefined
  signal: string | undefined
  stdout: string
  stderr: string
}

/** The kernel's signals have numbers up to this: signal(7). */
const LAST_SIGNAL = 64

/**
 * Whether a program was killed: a shell that ran it reports that with a status of 128 and the signal, xargs with 125. (With 255
 * ip(8) ends by itself, at an argument that it does not understand.)
 */
export function wasKilled({ code }: Pick<Finished, 'code'>): boolean {
  return code === undefined || (code > 128 && code <= 128 + LAST_SIGNAL) || code === 125
}

/** The packages that contain a tool, for messages; `doctor` knows how to install them. */
const packages = new Map([
  ['nft', 'nftables'],
  ['ping', 'ping'],
  ['ip', 'iproute2'],
  ['sysctl', 'procps'],
])

/** Options of `spawn`. */
export interface SpawnOptions {
  /** Its standard input. */
  input?: string
  /** Its complete environment. */
  env?: NodeJS.ProcessEnv
  /** Aborting it kills the program. */
  signal?: AbortSignal | undefined
  /** After how many seconds to kill it. */
  limit?: number
  /** Gives it its own session, and so no terminal; killing it also kills its children in that session. */
  detached?: boolean
  /** Does not wait for its children, which may continue and hold its output open. */
  mayLeave?: boolean
  /** How many characters it may print; more kills it. */
  most?: number
  /** Passes SIGINT on, which a program without the terminal would not get; this process survives it. */
  passInterrupt?: boolean
}

/** The error for a program that we killed because it took too long or printed too much. */
export class StoppedError extends CnilabError {
  /** What it printed until then. */
  printed = ''

  constructor(argv: readonly string[], why: string) {
    const program = argv.slice(argv.lastIndexOf('--') + 1).join(' ')
    super('state', `${program.length > 200 ? `${program.slice(0, 200)}…` : program} ${why}`, {
      fix: 'a program in the sandbox may keep it from that: cnilab sandbox list names the sandboxes, cnilab sandbox delete ends one',
    })
  }
}

/** The error for a program that is not installed. */
export class MissingError extends CnilabError {
  constructor(tool: string) {
    const from = packages.get(tool)
    super('machine', `${tool} is not installed${from === undefined || from === tool ? '' : ` (package ${from})`}`, {
      fix: 'cnilab doctor --fix',
    })
  }
}

/** How many characters a program may print by default. */
export const MAX_OUTPUT = 128 * 1024 * 1024

/**
 * Runs a program and collects its output; does not throw for any exit status. A lab starts some forty programs one after
 * the other: execa would take half as long again for each (and 25 ms to load), so this uses Node's own spawn.
 * Throws CnilabError: `machine` if the program is not installed or cannot be started, `interrupted` after `signal`,
 * `state` if it took too long or printed too much.
 */
export function spawn(argv: readonly string[], options: SpawnOptions = {}): Promise<Finished> {
  const { input = '', env = usualEnvironment(), signal, limit, most = MAX_OUTPUT } = options
  const { detached = false, mayLeave = false, passInterrupt = false } = options
  const [file = '', ...rest] = argv
  const { promise, resolve, reject } = Promise.withResolvers<Finished>()
  const child = start(file, rest, { env, detached, ...(detached ? { cwd: '/' } : {}) })
  let [stdout, stderr] = ['', '']
  let failure: CnilabError | undefined
  const end = (why: CnilabError) => {
    failure ??= why
    signalTree(child, detached, 'SIGKILL')
  }
  const interrupt = () => signalTree(child, detached, 'SIGINT')
  if (passInterrupt) process.on('SIGINT', interrupt)
  const collect = (text: string) => {
    if (stdout.length + stderr.length + text.length <= most) return text
    end(tooMuch(argv, most))
    return text.slice(0, Math.max(0, most - stdout.length - stderr.length))
  }
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += failure ? '' : collect(text)))
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += failure ? '' : collect(text)))
  child.stdin?.on('error', () => undefined) // it may end without reading everything
  child.stdin?.end(input)
  const stop = () => end(new CnilabError('interrupted', 'interrupted'))
  if (signal?.aborted === true) stop()
  else signal?.addEventListener('abort', stop)
  const late = limit === undefined ? undefined : setTimeout(() => end(noAnswer(argv, limit)), limit * 1000)
  const settle = () => {
    clearTimeout(late)
    signal?.removeEventListener('abort', stop)
    process.off('SIGINT', interrupt)
  }
  child.on('error', (error: NodeJS.ErrnoException) => {
    settle()
    reject(notStarted(file, error))
  })
  const finish = (code: number | null, by: NodeJS.Signals | null) => {
    settle()
    for (const pipe of [child.stdout, child.stderr]) pipe?.destroy()
    if (failure instanceof StoppedError) failure.printed = `${stdout}${stderr}`
    if (failure) reject(failure)
    else resolve({ code: code ?? undefined, signal: by ?? undefined, stdout, stderr })
  }
  // Its children may hold its output open, even after it was killed.
  child.on('exit', (code, by) => {
    if (failure) finish(code, by)
    else if (mayLeave) setTimeout(() => finish(code, by), LAST_WORDS)
  })
  child.on('close', finish)
  return promise.then(refuseMissing)
}

/** How long to keep reading the output of a program that has ended, if its children may hold it open, in ms. */
const LAST_WORDS = 50

function inWords(characters: number): string {
  return characters >= 1024 * 1024
    ? `${Math.round(characters / 1024 / 1024)} MB`
    : `${Math.round(characters / 1024)} kB`
}

/**
 * Node's own spawn. If the program cannot be started, its streams are null and an `error` event follows. Throws CnilabError
 * `machine` where Node throws synchronously.
 */
export function start(
  file: string,
  args: readonly string[],
  options: childProcess.SpawnOptions,
): childProcess.ChildProcess {
  try {
    return childProcess.spawn(file, args, options)
  } catch (error) {
    throw error instanceof Error ? notStarted(file, error) : error
  }
}

function usualEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, LC_ALL: 'C', PATH: searchPath() }
}

function signalTree(child: childProcess.ChildProcess, detached: boolean, signal: NodeJS.Signals): void {
  try {
    // A session leader is also the leader of its process group.
    if (child.pid !== undefined) process.kill(detached ? -child.pid : child.pid, signal)
  } catch {
    // it has ended by itself
  }
}

/** The error for a program that did not end in time: another one may have stopped it. */
export function noAnswer(argv: readonly string[], seconds: number): CnilabError {
  return new StoppedError(argv, `took longer than ${seconds} s`)
}

/** The error for a program that printed too much. */
export function tooMuch(argv: readonly string[], most = MAX_OUTPUT): CnilabError {
  return new StoppedError(argv, `printed more than ${inWords(most)}`)
}

/** A shell's exit status for a program that a signal ended. */
export function statusOf(signal: NodeJS.Signals | undefined): number {
  return 128 + (signal === undefined ? 0 : os.constants.signals[signal])
}

/** The error for a program that could not be started. */
export function notStarted(file: string, error: NodeJS.ErrnoException): CnilabError {
  if (error.code === 'ENOENT') return missing(file)
  return new CnilabError('machine', `${file} could not be started: ${error.message}`, {
    fix: remedyForLimit(error.message) ?? 'cnilab doctor',
  })
}

/**
 * Like `spawn`, for a process that starts a few programs and ends: they read and print through unnamed files, since loading
 * Node's streams for pipes takes longer than such a program. Uses pipes if no directory has room for files.
 */
export function spawnByFiles(argv: readonly string[], input = ''): Promise<Finished> {
  const files = openFiles(input)
  if (!files) return spawn(argv, { input })
  const [file = '', ...rest] = argv
  const env = usualEnvironment()
  const { promise, resolve, reject } = Promise.withResolvers<Finished>()
  const child = start(file, rest, { env, stdio: [...files, ...(inherited === undefined ? [] : [inherited])] })
  child.on('error', (error: NodeJS.ErrnoException) => reject(notStarted(file, error)))
  child.on('exit', (code, by) => {
    const [, stdout, stderr] = files
    resolve({ code: code ?? undefined, signal: by ?? undefined, stdout: textOf(stdout), stderr: textOf(stderr) })
  })
  return promise.then(refuseMissing).finally(() => files.forEach((fd) => closeSync(fd)))
}

/** Throws if nsenter(1) reports that it did not find the program. */
function refuseMissing(finished: Finished): Finished {
  const [, lost] = /failed to execute (\S+): No such file/.exec(finished.stderr) ?? []
  if (lost !== undefined) throw missing(lost)
  return finished
}

/** A descriptor that programs inherit: its lock lasts until the last of them has ended. */
let inherited: number | undefined

/** Makes the programs that `spawnByFiles` starts from now on inherit a descriptor; undefined for none. */
export function inheritDescriptor(fd: number | undefined): void {
  inherited = fd
}

/** O_TMPFILE of open(2), which Node does not define. */
const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY

/** How much space must be left for output, in bytes: on a full file system, output would be lost silently. */
const ROOM = 32 * 1024 * 1024

/**
 * Opens unnamed files, which leave nothing behind: one with the program's input, and two for its output. Undefined if there
 * is no place for them.
 */
function openFiles(input: string): [number, number, number] | undefined {
  for (const folder of ['/run', '/dev/shm', os.tmpdir()]) {
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
      // not every directory is writable, and not every file system has such files
      for (const fd of opened) closeSync(fd)
    }
  }
  return undefined
}

/** The whole content of a file, whatever its current position. */
function textOf(fd: number): string {
  const bytes = Buffer.alloc(fstatSync(fd).size)
  readSync(fd, bytes, 0, bytes.length, 0)
  return bytes.toString('utf8')
}

/** The error for a program that is not installed. */
export function missing(tool: string): MissingError {
  return new MissingError(tool)
}
