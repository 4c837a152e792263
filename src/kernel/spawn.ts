import childProcess from 'node:child_process'
import { closeSync, constants, fstatSync, openSync, readSync, statfsSync, writeSync } from 'node:fs'
import os from 'node:os'
import { CnilabError } from '../errors.ts'
import { searchPath } from './environment.ts'
import { remedyForLimit } from './limits.ts'

/** What a finished process left. `code` is undefined when a signal ended it. */
export interface Finished {
  code: number | undefined
  signal: string | undefined
  stdout: string
  stderr: string
}

/** Whether a program was killed: a shell that waited for it tells so by a status above 128, xargs by 125. */
export function wasKilled({ code }: Pick<Finished, 'code'>): boolean {
  return code === undefined || code > 128 || code === 125
}

/** Names of the packages that bring a tool, for messages; `doctor` knows how to install them. */
const packages = new Map([
  ['nft', 'nftables'],
  ['ping', 'ping'],
  ['ip', 'iproute2'],
  ['sysctl', 'procps'],
])

/** What may be said about a program that is run. */
export interface SpawnOptions {
  /** What it reads. */
  input?: string
  /** The whole environment. */
  env?: NodeJS.ProcessEnv
  /** Ends it. */
  signal?: AbortSignal | undefined
  /** In seconds: it is killed when it has not ended by then. */
  limit?: number
  /** Gives it a session of its own, and so no terminal; it is ended with all that it started and that stayed in it. */
  detached?: boolean
  /** It has ended when it itself has: what it started may go on, and may keep its output. */
  mayLeave?: boolean
  /** So many characters it may print; more ends it. */
  most?: number
  /** Passes SIGINT on, which a program without the terminal does not get; the caller lives on. */
  passInterrupt?: boolean
}

/** A program was ended because it took too long or printed too much. */
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

/** What a program may print, in characters: more is no answer that anybody reads. */
export const MOST = 128 * 1024 * 1024

/**
 * Runs a program and collects what it prints; never throws for an exit status. A lab starts some forty of them one after
 * the other: execa would add half as much again to each (and 25 ms to load), so this is Node's own spawn.
 * Throws CnilabError: `machine` when the program is not installed or cannot be started, `interrupted` after the signal,
 * `state` when it took or printed too much.
 */
export function spawn(argv: readonly string[], options: SpawnOptions = {}): Promise<Finished> {
  const { input = '', env = usualEnvironment(), signal, limit, most = MOST } = options
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
  child.stdin?.on('error', () => undefined) // it may end without reading all
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
  // What it started may keep its output open, also after it was killed.
  child.on('exit', (code, by) => {
    if (failure) finish(code, by)
    else if (mayLeave) setTimeout(() => finish(code, by), LAST_WORDS)
  })
  child.on('close', finish)
  return promise.then(refuseMissing)
}

/** How long, in ms, the output of a program that has ended is read that others may hold open. */
const LAST_WORDS = 50

function inWords(characters: number): string {
  return characters >= 1024 * 1024
    ? `${Math.round(characters / 1024 / 1024)} MB`
    : `${Math.round(characters / 1024)} kB`
}

/**
 * Node's own spawn. Its streams are null if the program could not be started, which an `error` event tells. Throws
 * CnilabError `machine` where Node throws at once.
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
    // A session's first process is the leader of its group, too.
    if (child.pid !== undefined) process.kill(detached ? -child.pid : child.pid, signal)
  } catch {
    // it has ended by itself
  }
}

/** The error for a program that did not end in time: somebody may have stopped it. */
export function noAnswer(argv: readonly string[], seconds: number): CnilabError {
  return new StoppedError(argv, `took longer than ${seconds} s`)
}

/** The error for a program that printed more than anybody reads. */
export function tooMuch(argv: readonly string[], most = MOST): CnilabError {
  return new StoppedError(argv, `printed more than ${inWords(most)}`)
}

/** What a shell says of a program that a signal ended. */
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
 * The same for a process that starts few programs and ends: what they read and print goes through files without a name,
 * since loading Node's streams for pipes takes longer than such a program. Where no folder has room for files, it uses pipes.
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

/** Throws if nsenter(1) says that it did not find the program that it was to start. */
function refuseMissing(finished: Finished): Finished {
  const [, lost] = /failed to execute (\S+): No such file/.exec(finished.stderr) ?? []
  if (lost !== undefined) throw missing(lost)
  return finished
}

/** A descriptor that programs inherit: the lock that it holds lasts until the last of them has ended. */
let inherited: number | undefined

/** Lets the programs that `spawnByFiles` starts from now on inherit a descriptor; undefined: none. */
export function passOn(fd: number | undefined): void {
  inherited = fd
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

/** The error for a program that is not installed. */
export function missing(tool: string): CnilabError {
  const from = packages.get(tool)
  return new CnilabError(
    'machine',
    `${tool} is not installed${from === undefined || from === tool ? '' : ` (package ${from})`}`,
    {
      fix: 'cnilab doctor --fix',
    },
  )
}
