import { chmodSync, existsSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { CnilabError } from '../errors.ts'
import { confine } from '../kernel/confine.ts'
import { type Detached, spawnDetached } from '../kernel/detached.ts'
import { environmentOn } from '../kernel/environment.ts'
import type { Host } from '../kernel/host.ts'
import { isNamespaceLimit, remedyForLimit, SANDBOX_LIMITS } from '../kernel/limits.ts'
import { packageFolder } from '../kernel/package-folder.ts'
import { networkOf, startTime } from '../kernel/processes.ts'
import { readText } from '../kernel/read-file.ts'
import { sandboxUser, userId } from '../kernel/user.ts'
import { enter, RECORD, type Sandbox, type SandboxRecord } from './find.ts'
import { PARTS, prepareRoot } from './root.ts'
import { newSandboxFolder, runtimeFolder } from './runtime-folder.ts'
import { ENTER, HOLD, KEPT, OUTER, PREPARE, WATCH } from './scripts.ts'

/** A sandbox that lives as long as this process, unless it is kept. */
export interface LiveSandbox {
  host: Host
  sandbox: Sandbox
  /** Lets it outlive this process. */
  keep: () => void
  /** Closes the lifeline: the holder is killed, and the kernel removes everything. */
  end: () => void
}

/** So many seconds each piece of a sandbox may take to be made. */
const PATIENCE = 20

/** A sandbox that is being made. */
export interface NascentSandbox {
  /** Resolves when most of what this process does for it is done, or is done in vain; the rest is left to other processes. */
  prepared: Promise<void>
  /** As `createSandbox` returns it. */
  live: Promise<LiveSandbox>
}

/** Begins to make a sandbox, for a caller who has other work until it is there. */
export function beginSandbox(name: string, binds: readonly string[] = []): NascentSandbox {
  const { promise: prepared, resolve } = Promise.withResolvers<void>()
  return { prepared, live: createSandbox(name, binds, resolve).finally(resolve) }
}

/**
 * Makes a sandbox, with folders of this machine in it that programs there may read. Takes some 100 ms. Calls `prepared` when
 * its folder has been filled. Throws CnilabError `machine` where the system refuses one of the pieces.
 */
export async function createSandbox(
  name: string,
  binds: readonly string[] = [],
  prepared?: () => void,
): Promise<LiveSandbox> {
  confine()
  const owner = sandboxUser()
  if (owner !== undefined) refuseUnreadable()
  const folder = newSandboxFolder(name)
  let holder: Detached | undefined
  try {
    holder = await spawnDetached(commandOf(name, folder, owner), environmentOn(hostNamed(name)), { pipes: 2 })
    const prepare = () => {
      runtimeFolder() // throws if somebody else made it meanwhile
      prepareRoot({ program: packageFolder(), folder, owner, holder: HOLD, binds })
    }
    const pid = await birth(holder, prepare, prepared)
    const record = recordOf(name, pid, binds)
    for (const place of [join(folder, PARTS.given), folder])
      writeFileSync(join(place, RECORD), JSON.stringify(record), { mode: 0o644 })
    if (owner !== undefined) chmodSync(join(folder, PARTS.given, RECORD), 0o644) // whatever the umask: root inside is another user
    return live({ ...record, folder }, holder)
  } catch (error) {
    // One that was refused tidies up by itself, as soon as the lock is free: its folder, and the one around it.
    if (!(error instanceof RefusedError)) holder?.kill()
    holder?.release()
    rmSync(folder, { recursive: true, force: true })
    if (error instanceof CnilabError && error.kind === 'machine' && error.fix !== undefined) throw error
    const why = error instanceof Error ? error.message : String(error)
    // No space for a namespace is what doctor knows more about.
    const limit = isNamespaceLimit(why) ? undefined : remedyForLimit(why)
    throw new CnilabError('machine', `this machine refused to make a sandbox: ${why}`, {
      fix: FULL.test(why)
        ? `see that ${dirname(folder)} can be written and has room in it, or set XDG_RUNTIME_DIR to a folder of your own`
        : (limit ?? 'cnilab doctor'),
      cause: error,
    })
  }
}

/** The sandbox ended before it held, and its watcher said so. */
class RefusedError extends Error {}

/** What is said where the folder of a sandbox cannot be made, or filled. */
const FULL = /^mkdir: |ENOSPC|EROFS|EDQUOT|EACCES/

function live(sandbox: Sandbox, holder: Detached): LiveSandbox {
  const keep = () => {
    try {
      writeFileSync(join(sandbox.folder, KEPT), '')
      holder.lifeline.write('keep\n')
    } finally {
      holder.release() // one that is not told to stay ends with that
    }
  }
  return { host: enter(sandbox), sandbox, keep, end: holder.release }
}

/** A host of this name, for the environment of its first process. */
function hostNamed(name: string): Host {
  return enter({ name, pid: 0, started: '', netns: 0, created: '', binds: [], folder: '' })
}

function commandOf(name: string, folder: string, owner: number | undefined): string[] {
  const unshare = ['unshare', '--user', '--map-root-user', '--mount', '--propagation', 'private', '--']
  const isRoot = owner !== undefined
  const drop = ['setpriv', `--reuid=${owner}`, `--regid=${owner}`, '--clear-groups', ...unshare]
  const owned = isRoot ? `,uid=${owner},gid=${owner}` : ''
  const watch = ['sh', '-c', WATCH, 'cnilab-watch', folder]
  const mounts = isRoot ? ['unshare', '--mount', '--propagation', 'private', '--'] : unshare
  const prepare = ['sh', '-c', PREPARE, 'cnilab-prepare', folder, `mode=755,size=${SANDBOX_LIMITS.files}${owned}`]
  const holder = [ENTER, name, String(userId()), folder]
  const outer = ['sh', '-c', OUTER, 'cnilab-outer', processLimit(), ...holder]
  return [...watch, ...mounts, ...prepare, ...(isRoot ? drop : []), ...outer]
}

/** A limit cannot be raised: where this process has a lower one, that holds. */
function processLimit(): string {
  const own = /^Max processes\s+\S+\s+(\d+)/m.exec(readText('/proc/self/limits'))?.[1]
  const { processes } = SANDBOX_LIMITS
  return String(Math.min(processes, Number(own ?? processes)))
}

/**
 * Sees the first process through until it holds the sandbox: `prepare` fills the sandbox's folder,
 * `prepared` hears that it did. Returns its pid. Throws
 * with what it said if it does not.
 */
async function birth(holder: Detached, prepare: () => void, prepared?: () => void): Promise<number> {
  const expect = async (word: RegExp): Promise<string> => {
    const line = await Promise.race([holder.nextLine(PATIENCE), holder.exited.then(() => undefined)])
    const match = word.exec(line ?? '')
    if (match) return match[1] ?? ''
    await Promise.race([holder.ended, sleep(100)]) // for its last words
    const why = lastWordsOf(holder) || `it ended, and all that it said was '${line ?? ''}'`
    throw line === 'ended' ? new RefusedError(why) : new Error(why)
  }
  await expect(/^made$/)
  prepare()
  holder.lifeline.write('begin\n', prepared)
  const pid = await expect(/^pid (\d+)$/)
  const [forOuter, forEnter] = holder.more
  forOuter?.end(`${pid}\n`)
  await expect(/^mounted$/)
  forEnter?.end('mounted\n')
  await expect(/^ready$/)
  return Number(pid)
}

/** The last line that says something: after a refusal ip(8) tells on one more in which line of its batch that was. */
function lastWordsOf(holder: Detached): string | undefined {
  const lines = holder.complaint().split('\n')
  return lines.findLast((line) => !line.startsWith('Command failed -'))
}

function recordOf(name: string, pid: number, binds: readonly string[]): SandboxRecord {
  const started = startTime(pid)
  const netns = networkOf(pid)
  if (started === undefined || netns === undefined) throw new Error('its first process ended at once')
  return { name, pid, started, netns, created: new Date().toISOString(), binds: [...binds] }
}

/** Root's sandbox belongs to a user without privileges, who has to be able to run the program. */
function refuseUnreadable(): void {
  const { execPath } = process
  const parts = [
    [execPath, 0o5],
    [join(packageFolder(), 'dist', 'src', 'cnilab.js'), 0o4],
  ] as const
  for (const [file, needed] of parts)
    if (existsSync(file) && (statSync(file).mode & needed) !== needed)
      throw new CnilabError('machine', `${file} is closed to other users, and root's sandbox belongs to one`, {
        fix: `chmod -R go+rX ${file === execPath ? file : packageFolder()}`,
      })
}
