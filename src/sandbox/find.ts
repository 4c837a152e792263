import { readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { GIVEN_FOLDER, HOST_FOLDER, type Host, OWN_BATCHES } from '../kernel/host.ts'
import { MIB, readBytes, readText } from '../kernel/read-file.ts'
import { dropsPrivileges, userId } from '../kernel/user.ts'
import { runtimeFolder } from './runtime-folder.ts'
import { GIVEN, HOLDER, SHARED } from './scripts.ts'

/** What is written down about a sandbox. A pid alone would not do: it can be another process's by now. */
export interface SandboxRecord {
  name: string
  pid: number
  /** The holder's start time, in clock ticks since boot. */
  started: string
  /** Inode of its network namespace. */
  netns: number
  /** When it was made, in ISO 8601. */
  created: string
}

/** The record's file name, in the sandbox's folder and, for those inside, in what they are given. */
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
 * This user's living sandboxes, by name, and the names of those that were meant to live and do not: killed by hand, or
 * by a reboot. Folders that dead ones left are removed.
 */
export function findSandboxes(): { alive: Sandbox[]; ended: string[] } {
  const runtime = runtimeFolder()
  const alive: Sandbox[] = []
  const ended: string[] = []
  for (const entry of entriesOf(runtime)) {
    const folder = join(runtime, entry)
    const record = readRecord(folder)
    if (record && isHolder(record)) alive.push({ ...record, folder })
    else if (record || isOld(folder)) {
      if (record) ended.push(record.name)
      rmSync(folder, { recursive: true, force: true })
    }
  }
  return { alive: alive.toSorted((a, b) => (a.name < b.name ? -1 : 1)), ended }
}

/** None where the folder is not there, or goes at this moment with the last sandbox. */
function entriesOf(runtime: string): string[] {
  try {
    return readdirSync(runtime)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  }
}

/** A folder without a record is one that is just being made, or was left by a kill in that moment. */
function isOld(folder: string): boolean {
  const info = statSync(folder, { throwIfNoEntry: false })
  return info?.isDirectory() === true && Date.now() - info.ctimeMs > 60_000
}

function readRecord(folder: string): SandboxRecord | undefined {
  try {
    const record: unknown = JSON.parse(readText(join(folder, RECORD)))
    return isRecord(record) ? record : undefined
  } catch {
    return undefined
  }
}

/** Every command opens a sandbox, and most would load zod for this alone. */
function isRecord(value: unknown): value is SandboxRecord {
  const is = (key: keyof SandboxRecord, type: 'string' | 'number') =>
    typeof value === 'object' && value !== null && typeof Reflect.get(value, key) === type
  return (
    is('name', 'string') &&
    is('pid', 'number') &&
    is('started', 'string') &&
    is('netns', 'number') &&
    is('created', 'string')
  )
}

/** Start time of a process, field 22 of /proc/PID/stat (proc(5)); undefined for a process that is gone or a zombie. */
export function startTime(pid: number): string | undefined {
  try {
    const fields = readBytes(`/proc/${pid}/stat`, MIB)
      .toString('latin1')
      .replace(/^.*\) /, '')
      .split(' ')
    return fields[0] === 'Z' ? undefined : fields[19]
  } catch {
    return undefined
  }
}

/** Whether the process that a record names is still the one that it was written for. */
export function isHolder(record: Pick<SandboxRecord, 'pid' | 'started' | 'netns'>): boolean {
  if (startTime(record.pid) !== record.started) return false
  return networkOf(String(record.pid)) === record.netns
}

/**
 * Every holder of this user's sandboxes that runs, also one whose record was lost: its argv says what it is. Those of
 * another runtime folder are left out, as `listSandboxes` does not know them either.
 */
export function findHolders(): { pid: number; name: string }[] {
  const own = [String(userId()), runtimeFolder()].join('\0')
  return readdirSync('/proc').flatMap((entry) => {
    if (!/^\d+$/.test(entry)) return []
    try {
      const [, program, name, ...rest] = readBytes(`/proc/${entry}/cmdline`, 8 * MIB)
        .toString('utf8')
        .split('\0')
      return program === HOLDER && name !== undefined && rest.slice(0, 2).join('\0') === own
        ? [{ pid: Number(entry), name }]
        : []
    } catch {
      return [] // it ended meanwhile
    }
  })
}

/** How to act in a sandbox from outside. Root enters it as the unprivileged user that it was made by. */
export function enter(sandbox: Sandbox): Host {
  const as = dropsPrivileges() ? ['-S', '0', '-G', '0'] : ['--preserve-credentials']
  return {
    kind: 'sandbox',
    name: sandbox.name,
    enter: ['nsenter', '-t', String(sandbox.pid), '-U', '-n', '-i', '-m', '-p', ...as, '--'],
    root: `/proc/${sandbox.pid}/root`,
    pid: 1,
    folder: join(sandbox.folder, SHARED),
    batches: { folder: join(sandbox.folder, GIVEN), seen: GIVEN_FOLDER },
    common: true,
  }
}

/**
 * The sandbox that this process runs in, if it does: its marker must name the network namespace of process 1, the
 * holder. From within one of its containers, commands for the host go back to that namespace.
 */
export function ownSandbox(): Host | undefined {
  const record = readRecord(GIVEN_FOLDER)
  if (!record || networkOf('1') !== record.netns) return undefined
  const back = networkOf('self') === record.netns ? [] : ['nsenter', '-t', '1', '-n', '--']
  return {
    kind: 'sandbox',
    name: record.name,
    enter: back,
    root: '',
    pid: 1,
    folder: HOST_FOLDER,
    batches: OWN_BATCHES,
    common: true,
  }
}

/** Inode of a process's network namespace; undefined for a process that is another user's. */
function networkOf(pid: string): number | undefined {
  try {
    return statSync(`/proc/${pid}/ns/net`).ino
  } catch {
    return undefined
  }
}
