import { chmodSync, existsSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { CnilabError } from '../errors.ts'
import { confine } from '../kernel/confine.ts'
import { type DetachedProcess, spawnDetached } from '../kernel/detached.ts'
import { environmentOn } from '../kernel/environment.ts'
import type { Host } from '../kernel/host.ts'
import { isNamespaceLimit, remedyForLimit, SANDBOX_LIMITS } from '../kernel/limits.ts'
import { packageFolder } from '../kernel/package-folder.ts'
import { netnsInodeOf, startTime } from '../kernel/processes.ts'
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

/** How long each stage of creating a sandbox may take, in seconds. */
const PATIENCE = 20

/** A sandbox that is being created. */
export interface NascentSandbox {
  /** Resolves once only other processes have work to do for it, or it has failed. */
  prepared: Promise<void>
  /** What `createSandbox` returns. */
  live: Promise<LiveSandbox>
}

/** Begins to create a sandbox, for a caller that has other work to do meanwhile. */
export function beginSandbox(name: string, binds: readonly string[] = []): NascentSandbox {
  const { promise: prepared, resolve } = Promise.withResolvers<void>()
  return { prepared, live: createSandbox(name, binds, resolve).finally(resolve) }
}

/**
 * Creates a sandbox, in which programs may read the directories `binds` of this machine. Takes some 100 ms. Calls `prepared`
 * once its directory is filled. Throws CnilabError `machine` if the system refuses a part of it.
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
  let holder: DetachedProcess | undefined
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
    // After a refusal, WATCH itself removes the directory, and its parent if that is empty, once the lock is free.
    if (!(error instanceof RefusedError)) holder?.kill()
    holder?.release()
    rmSync(folder, { recursive: true, force: true })
    if (error instanceof CnilabError && error.kind === 'machine' && error.fix !== undefined) throw error
    const why = error instanceof Error ? error.message : String(error)
    // doctor knows more about missing space for a namespace.
    const limit = isNamespaceLimit(why) ? undefined : remedyForLimit(why)
    throw new CnilabError('machine', `this machine refused to make a sandbox: ${why}`, {
      fix: FULL.test(why)
        ? `see that ${dirname(folder)} can be written and has room in it, or set XDG_RUNTIME_DIR to a folder of your own`
        : (limit ?? 'cnilab doctor'),
      cause: error,
    })
  }
}

/** The sandbox ended before it was ready, as its watcher reported. */
class RefusedError extends Error {}

/** The messages if a sandbox's directory cannot be created, or filled. */
const FULL = /^mkdir: |ENOSPC|EROFS|EDQUOT|EACCES/

function live(sandbox: Sandbox, holder: DetachedProcess): LiveSandbox {
  const keep = () => {
    try {
      writeFileSync(join(sandbox.folder, KEPT), '')
      holder.lifeline.write('keep\n')
    } finally {
      holder.release() // which ends a sandbox that was not told to stay
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

/** The limit of processes. It cannot be raised: if this process has a lower one, that applies. */
function processLimit(): string {
  const own = /^Max processes\s+\S+\s+(\d+)/m.exec(readText('/proc/self/limits'))?.[1]
  const { processes } = SANDBOX_LIMITS
  return String(Math.min(processes, Number(own ?? processes)))
}

/**
 * Guides the first process until it holds the sandbox, and returns its pid; `prepare` fills the sandbox's directory, and
 * `prepared` is called after that. Throws with the process's message if it fails.
 */
async function birth(holder: DetachedProcess, prepare: () => void, prepared?: () => void): Promise<number> {
  const expect = async (word: RegExp): Promise<string> => {
    const line = await Promise.race([holder.nextLine(PATIENCE), holder.exited.then(() => undefined)])
    const match = word.exec(line ?? '')
    if (match) return match[1] ?? ''
    await Promise.race([holder.ended, sleep(100)]) // for its last words
    const why = lastWordsOf(holder) || `it ended, and it printed only '${line ?? ''}'`
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

/** The last meaningful line: after a refusal, ip(8) adds one with the line number in its batch. */
function lastWordsOf(holder: DetachedProcess): string | undefined {
  const lines = holder.complaint().split('\n')
  return lines.findLast((line) => !line.startsWith('Command failed -'))
}

function recordOf(name: string, pid: number, binds: readonly string[]): SandboxRecord {
  const started = startTime(pid)
  const netns = netnsInodeOf(pid)
  if (started === undefined || netns === undefined) throw new Error('its first process ended at once')
  return { name, pid, started, netns, created: new Date().toISOString(), binds: [...binds] }
}

/** Root's sandbox belongs to an unprivileged user, who must be able to run the program. */
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
