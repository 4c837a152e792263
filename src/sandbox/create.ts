import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { CnilabError } from '../errors.ts'
import { spawnDetached } from '../kernel/spawn.ts'
import { enter, RECORD, type Sandbox, type SandboxRecord, startTime } from './find.ts'
import { type Host, JOURNAL } from '../kernel/host.ts'
import { dropsPrivileges, NOBODY, userId } from '../kernel/user.ts'
import { systemError } from '../system-error.ts'
import { makeRuntimeFolder, runtimeFolder } from './runtime-folder.ts'
import { ENTER, GIVEN, HOLD, KEPT, PREPARE, READ_ONLY, SHARED, WATCH } from './scripts.ts'

/** A sandbox that lives as long as this process, unless it is kept. */
export interface LiveSandbox {
  host: Host
  sandbox: Sandbox
  /** Lets it outlive this process. */
  keep: () => void
  /** Closes the lifeline: the holder ends and the kernel removes everything. */
  end: () => void
}

/** The package's own folder: the nearest above this file that holds a package.json. */
export function packageFolder(): string {
  let folder = import.meta.dirname
  while (!existsSync(join(folder, 'package.json')) && folder !== '/') folder = dirname(folder)
  return folder
}

function newFolder(name: string): string {
  const make = () => mkdtempSync(join(makeRuntimeFolder(), `${name}~`))
  try {
    return make()
  } catch {
    return make() // the last sandbox to end had just removed the folder of all of them
  }
}

/** Makes a sandbox. Takes some 40 ms. Throws CnilabError `machine` where the system refuses one of the pieces. */
export async function createSandbox(name: string): Promise<LiveSandbox> {
  const folder = newFolder(name)
  const isRoot = dropsPrivileges()
  const [shared, given] = [join(folder, SHARED), join(folder, GIVEN)]
  for (const part of [shared, given]) mkdirSync(part)
  chmodSync(given, 0o755) // root's programs in a sandbox are another user's
  // cnilab writes the journal from outside as root and from inside as the sandbox's user
  writeFileSync(join(shared, JOURNAL), '')
  if (isRoot) for (const path of [shared, join(shared, JOURNAL)]) chownSync(path, NOBODY, NOBODY)
  const unshare = ['unshare', '--user', '--map-root-user', '--mount', '--propagation', 'private', '--']
  const drop = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', ...unshare]
  const holder = spawnDetached([
    'sh',
    '-c',
    WATCH,
    'cnilab-watch',
    folder,
    ...(isRoot ? ['unshare', '--mount', '--propagation', 'private', '--'] : unshare),
    'sh',
    '-c',
    PREPARE,
    'cnilab-prepare',
    folder,
    packageFolder(),
    process.execPath,
    isRoot ? `mode=755,uid=${NOBODY},gid=${NOBODY}` : 'mode=755',
    ...(isRoot ? drop : []),
    'sh',
    '-c',
    READ_ONLY,
    'cnilab-read-only',
    HOLD,
    ENTER,
    name,
    String(userId()),
    runtimeFolder(),
  ])
  try {
    const record = recordOf(name, await holder.firstLine)
    for (const place of [given, folder]) {
      writeFileSync(join(place, RECORD), JSON.stringify(record))
      chmodSync(join(place, RECORD), 0o644) // whatever the umask
    }
    const sandbox = { ...record, folder }
    const keep = () => {
      writeFileSync(join(folder, KEPT), '')
      holder.lifeline.write('keep\n')
      holder.release()
    }
    return { host: enter(sandbox), sandbox, keep, end: holder.release }
  } catch (error) {
    holder.release()
    rmSync(folder, { recursive: true, force: true })
    throw (
      systemError(error) ??
      new CnilabError(
        'machine',
        `this machine refused to make a sandbox: ${error instanceof Error ? error.message : String(error)}`,
        { fix: 'cnilab doctor' },
      )
    )
  }
}

function recordOf(name: string, line: string): SandboxRecord {
  const pid = Number(/^ready (\d+)$/.exec(line)?.[1])
  const started = startTime(pid)
  if (started === undefined) throw new Error(`the holder said '${line}' and ended`)
  return { name, pid, started, netns: statSync(`/proc/${pid}/ns/net`).ino, created: new Date().toISOString() }
}
