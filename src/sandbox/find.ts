import { readdirSync, rmSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { CnilabError } from '../errors.ts'
import { GIVEN_FOLDER, HOST_FOLDER, type Host, OWN_BATCHES } from '../kernel/host.ts'
import { childrenOf, netnsInodeOf, pidsOf, processes, startTime } from '../kernel/processes.ts'
import { MIB, readBytes, readText } from '../kernel/read-file.ts'
import { sandboxUser, userId } from '../kernel/user.ts'
import { PARTS } from './root.ts'
import { isOfDeadMaker, runtimeFolder } from './runtime-folder.ts'
import { OUTSIDE } from './scripts.ts'

/** The record of a sandbox. A pid is not enough: by now it can belong to another process. */
export interface SandboxRecord {
  name: string
  pid: number
  /** The holder's start time, in clock ticks since boot. */
  started: string
  /** Inode of its network namespace. */
  netns: number
  /** When it was made, in ISO 8601. */
  created: string
  /** The directories of the machine that are visible in it. */
  binds: string[]
}

/** The record's file name, in the sandbox's directory and, for programs inside, in GIVEN_FOLDER. */
export const RECORD = 'sandbox.json'

/** A sandbox that is alive. */
export interface Sandbox extends SandboxRecord {
  folder: string
}

/** This user's living sandboxes, by name. */
export function listSandboxes(): Sandbox[] {
  return findSandboxes().alive
}

/**
 * This user's living sandboxes, by name, and the names of those that should be alive but are not: killed by hand, or by a
 * reboot. Removes the directories of dead ones.
 */
export function findSandboxes(): { alive: Sandbox[]; ended: string[] } {
  const runtime = runtimeFolder()
  const alive: Sandbox[] = []
  const ended: string[] = []
  for (const entry of entriesOf(runtime)) {
    const folder = join(runtime, entry)
    const record = readRecord(folder)
    if (record && isHolder(record)) alive.push({ ...record, folder })
    else if (record || isOfDeadMaker(entry)) {
      if (record) ended.push(record.name)
      remove(folder)
    }
  }
  return { alive: alive.toSorted((a, b) => (a.name < b.name ? -1 : 1)), ended }
}

/** Empty if the directory does not exist, or is just disappearing with the last sandbox. */
function entriesOf(runtime: string): string[] {
  try {
    return readdirSync(runtime)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  }
}

/** Removes a directory if it can, or leaves it to the next command: the sandbox's watcher may be removing it, too. */
function remove(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true })
  } catch {
    // see above
  }
}

function readRecord(folder: string): SandboxRecord | undefined {
  try {
    const record: unknown = JSON.parse(readText(join(folder, RECORD)))
    return isRecord(record) ? record : undefined
  } catch {
    return undefined
  }
}

/** Checks by hand, without zod: every command opens a sandbox, and most would load zod only for this. */
function isRecord(value: unknown): value is SandboxRecord {
  const is = (key: keyof SandboxRecord, type: 'string' | 'number') =>
    typeof value === 'object' && value !== null && typeof Reflect.get(value, key) === type
  const binds: unknown = typeof value === 'object' && value !== null && Reflect.get(value, 'binds')
  return (
    is('name', 'string') &&
    is('pid', 'number') &&
    is('started', 'string') &&
    is('netns', 'number') &&
    is('created', 'string') &&
    Array.isArray(binds) &&
    binds.every((bind) => typeof bind === 'string')
  )
}

/**
 * Whether the process of a record is still the same one: its pid, its start time, and that it is the first of its pid
 * namespace prove it. A program inside may change everything else, such as its network and its argv.
 */
export function isHolder(record: Pick<SandboxRecord, 'pid' | 'started'>): boolean {
  return startTime(record.pid) === record.started && isFirst(record.pid)
}

function isFirst(pid: number): boolean {
  const pids = pidsOf(pid)
  return pids.length > 1 && pids.at(-1) === 1
}

/**
 * The holders of this user's sandboxes whose directory was lost. The process that started a holder is outside, out of reach of
 * any sandbox, and its argv identifies it. Leaves out sandboxes that are still being created, and those of another runtime
 * directory, which `listSandboxes` does not know either.
 */
export function findLostHolders(): { pid: number; name: string }[] {
  const runtime = runtimeFolder()
  return processes().flatMap((pid) => {
    try {
      const argv = readBytes(`/proc/${pid}/cmdline`, 8 * MIB)
        .toString('utf8')
        .split('\0')
      const [mark, name = '', user, folder = ''] = argv.slice(-5)
      const isOurs = mark === OUTSIDE && user === String(userId()) && dirname(folder) === runtime && isOutside(pid)
      if (!isOurs || readRecord(folder) !== undefined || !isOfDeadMaker(basename(folder))) return []
      return childrenOf(pid)
        .filter(isFirst)
        .map((holder) => ({ pid: holder, name }))
    } catch {
      return [] // it has ended meanwhile
    }
  })
}

/**
 * Whether a process is this user's and outside all sandboxes: in our own pid namespace. Any other may call itself whatever it
 * likes.
 */
function isOutside(pid: number): boolean {
  const owner = sandboxUser() ?? userId()
  return statSync(`/proc/${pid}`).uid === owner && pidsOf(pid).length === 1 && seesOurFiles(pid)
}

/**
 * Whether the parent of a process sees the same files as we do: if its /tmp is another one, so is its directory of the same
 * name. If that cannot be read, assume that it does.
 */
function seesOurFiles(pid: number): boolean {
  const status = readBytes(`/proc/${pid}/status`, MIB).toString('latin1')
  const parent = /^PPid:\t(\d+)$/m.exec(status)?.[1]
  try {
    return statSync(`/proc/${parent}/ns/mnt`).ino === statSync('/proc/self/ns/mnt').ino
  } catch {
    return true
  }
}

/**
 * Refuses to enter a sandbox whose first process was changed, and would lead somewhere else. Throws CnilabError `state`.
 */
export function requireIntact({ name, pid, netns }: Sandbox): void {
  if (netnsInodeOf(pid) === netns) return
  throw new CnilabError('state', `a program in the sandbox '${name}' changed the process that holds it`, {
    fix: `cnilab sandbox delete ${name}, and start again`,
  })
}

/** The host for acting in a sandbox from outside. Root enters it as the unprivileged user that it was created as. */
export function enter(sandbox: Sandbox): Host {
  const as = sandboxUser() !== undefined ? ['-S', '0', '-G', '0'] : ['--preserve-credentials']
  return {
    kind: 'sandbox',
    name: sandbox.name,
    enter: ['nsenter', '-t', String(sandbox.pid), '-U', '-n', '-i', '-m', '-p', ...as, '--'],
    inside: false,
    holder: sandbox.pid,
    pid: 1,
    folder: HOST_FOLDER,
    batches: { folder: join(sandbox.folder, PARTS.given), seen: GIVEN_FOLDER },
    binds: sandbox.binds,
    common: true,
  }
}

/**
 * The sandbox that this process runs in, if any: its record must name the network namespace of process 1, the holder. From
 * within one of its containers, commands for the host go back to that namespace.
 */
export function ownSandbox(): Host | undefined {
  const record = readRecord(GIVEN_FOLDER)
  if (!record || netnsInodeOf(1) !== record.netns) return undefined
  const back = netnsInodeOf('self') === record.netns ? [] : ['nsenter', '-t', '1', '-n', '--']
  return {
    kind: 'sandbox',
    name: record.name,
    enter: back,
    inside: true,
    holder: 0,
    pid: 1,
    folder: HOST_FOLDER,
    batches: OWN_BATCHES,
    binds: record.binds,
    common: true,
  }
}
