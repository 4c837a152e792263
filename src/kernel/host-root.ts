import { closeSync, constants, existsSync, fstatSync, openSync, statfsSync } from 'node:fs'
import { CnilabError } from '../errors.ts'
import { codeOf } from './code-of.ts'
import type { Host } from './host.ts'
import { libc } from './libc.ts'
import { remedyForLimit } from './limits.ts'

// The programs in a sandbox own its files: they may replace anything by a link, a pipe or a mount while we look, and we may
// be root. So from outside, never pass a sandbox's path to a function of node:fs: let openat2(2) resolve it beneath the
// sandbox's root.

const O_PATH = 0o10000000
const RESOLVE_NO_XDEV = 0x01n
const RESOLVE_NO_MAGICLINKS = 0x02n
const RESOLVE_NO_SYMLINKS = 0x04n
const RESOLVE_IN_ROOT = 0x10n

/** Opens a path beneath a sandbox's root. Throws errors like those of node:fs. */
function openIn({ holder }: Host, path: string, flags: number, mode: number, resolve: bigint): number {
  const root = openSync(`/proc/${holder}/root`, O_PATH | constants.O_DIRECTORY)
  try {
    const how = Buffer.alloc(24) // struct open_how
    how.writeBigUInt64LE(BigInt(flags | 0o2000000), 0) // O_CLOEXEC
    how.writeBigUInt64LE(BigInt(mode), 8)
    how.writeBigUInt64LE(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve, 16)
    return libc().openat2(root, path, how)
  } finally {
    closeSync(root)
  }
}

/**
 * Calls `use` with a path through which this process can look at a path of the host: for stat, statfs, readdir and watch,
 * not for reading, which could block for ever. Throws as they do if there is nothing.
 */
export function withPath<T>(host: Host, path: string, use: (path: string) => T): T {
  if (host.inside) return use(path)
  // A process's namespace is a magic link, which openat2 must not follow: open only its directory.
  const [, folder, name] = /^(\/proc\/\d+\/ns)\/(\w+)$/.exec(path) ?? []
  const fd = openIn(host, folder ?? path, O_PATH, 0, 0n)
  try {
    const opened = `/proc/self/fd/${fd}`
    if (name === undefined) return use(opened)
    if (statfsSync(opened).type !== PROC_SUPER_MAGIC) throw new Error(`${path} is not a magic link`)
    return use(`${opened}/${name}`)
  } finally {
    closeSync(fd)
  }
}

/** The file system type of /proc, by statfs(2) (linux/magic.h). */
const PROC_SUPER_MAGIC = 0x9fa0

/**
 * Opens one of cnilab's own files or directories on the host, which a sandbox's programs may have replaced: with a link, a
 * pipe that blocks, a mount of something else. Undefined if there is none. Throws CnilabError `state` if it is not a file,
 * or with O_DIRECTORY not a directory, or cannot be opened.
 */
export function openOwn(host: Host, path: string, flags: number): number | undefined {
  const safely = flags | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY
  const mode = (flags & constants.O_CREAT) === 0 ? 0 : 0o600
  try {
    const fd = host.inside
      ? openSync(path, safely, mode)
      : openIn(host, path, safely, mode, RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV)
    const info = fstatSync(fd)
    if ((flags & constants.O_DIRECTORY) === 0 ? info.isFile() : info.isDirectory()) return fd
    closeSync(fd)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw notOpened(host, path, error)
  }
  throw notOpened(host, path, 'it is something else')
}

/** Opens a device of a sandbox, which may have been replaced: the caller must check what it is. Throws errors like those of node:fs. */
export function openDevice(host: Host, path: string, flags: number): number {
  return openIn(host, path, flags | constants.O_NONBLOCK, 0, RESOLVE_NO_SYMLINKS)
}

/** Calls `use` with a path through which this process can change cnilab's own directory on the host. Throws as `openOwn` does. */
export function withOwnFolder<T>(host: Host, use: (folder: string) => T): T {
  if (host.inside) return use(host.folder)
  const fd = openOwn(host, host.folder, constants.O_RDONLY | constants.O_DIRECTORY)
  if (fd === undefined) throw notOpened(host, host.folder, 'it no longer exists')
  try {
    return use(`/proc/self/fd/${fd}`)
  } finally {
    closeSync(fd)
  }
}

/** The error for a sandbox that somebody has ended while a command uses it. */
export function endedMeanwhile(): CnilabError {
  return new CnilabError('state', 'the sandbox has ended in the meantime', { fix: 'run the command again' })
}

/** Whether the first process of a sandbox has ended. */
export function hasEnded({ kind, inside, holder }: Host): boolean {
  return kind === 'sandbox' && !inside && !existsSync(`/proc/${holder}/root`)
}

/** The error for one of cnilab's own files that cannot be used: in a sandbox, because a program there changed it. */
export function notOpened(host: Host, path: string, why: unknown): CnilabError {
  if (hasEnded(host)) return endedMeanwhile()
  const reason = why instanceof Error ? why.message : String(why)
  return host.kind === 'sandbox'
    ? new CnilabError(
        'state',
        `a program in the sandbox '${host.name}' changed ${path}, which is cnilab's: ${reason}`,
        {
          fix: remedyForLimit(reason) ?? `cnilab sandbox delete ${host.name}, and start again`,
        },
      )
    : new CnilabError('state', `${path} cannot be used: ${reason}`, { fix: `look at it with: ls -ld ${path}` })
}
