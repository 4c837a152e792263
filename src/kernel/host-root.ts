import { closeSync, constants, existsSync, fstatSync, openSync, statfsSync } from 'node:fs'
import { CnilabError } from '../errors.ts'
import { codeOf } from './code-of.ts'
import type { Host } from './host.ts'
import { libc } from './libc.ts'
import { remedyForLimit } from './limits.ts'

// What lies in a sandbox belongs to the programs in it, which may put a link, a pipe or a mount in place of anything while
// we look, and whoever looks may be root. So a path of a sandbox is never given to a function of node:fs from outside: it is
// resolved beneath the sandbox's root by openat2(2).

const O_PATH = 0o10000000
const RESOLVE_NO_XDEV = 0x01n
const RESOLVE_NO_MAGICLINKS = 0x02n
const RESOLVE_NO_SYMLINKS = 0x04n
const RESOLVE_IN_ROOT = 0x10n

/** Opens beneath the root of a sandbox. Throws errors like those of node:fs. */
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
 * Calls `use` with a path by which this process can look at what is at a path of the host: for stat, statfs, readdir and
 * watch, not for reading, which could wait for ever. Throws as they do where there is nothing.
 */
export function withPath<T>(host: Host, path: string, use: (path: string) => T): T {
  if (host.inside) return use(path)
  // A process's namespace is a link of the kernel's own, which openat2 follows in no case: only the folder is opened.
  const [, folder, name] = /^(\/proc\/\d+\/ns)\/(\w+)$/.exec(path) ?? []
  const fd = openIn(host, folder ?? path, O_PATH, 0, 0n)
  try {
    const opened = `/proc/self/fd/${fd}`
    if (name === undefined) return use(opened)
    if (statfsSync(opened).type !== PROC_SUPER_MAGIC) throw new Error(`${path} is no link of the kernel's`)
    return use(`${opened}/${name}`)
  } finally {
    closeSync(fd)
  }
}

/** What statfs(2) says of what lies in /proc (linux/magic.h). */
const PROC_SUPER_MAGIC = 0x9fa0

/**
 * Opens one of cnilab's own files on the host, or its folder, which programs of a sandbox may have replaced: by a link, by
 * a pipe that never answers, by a mount of something else. Undefined if there is none. Throws CnilabError `state` for what
 * is no file, or with O_DIRECTORY no folder, or cannot be opened.
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

/** Opens a device of a sandbox that may have been replaced: the caller checks what it is. Throws errors like those of node:fs. */
export function openDevice(host: Host, path: string, flags: number): number {
  return openIn(host, path, flags | constants.O_NONBLOCK, 0, RESOLVE_NO_SYMLINKS)
}

/** Calls `use` with a path by which this process can change what is in cnilab's own folder on the host. Throws as `openOwn` does. */
export function withOwnFolder<T>(host: Host, use: (folder: string) => T): T {
  if (host.inside) return use(host.folder)
  const fd = openOwn(host, host.folder, constants.O_RDONLY | constants.O_DIRECTORY)
  if (fd === undefined) throw notOpened(host, host.folder, 'it is not there any more')
  try {
    return use(`/proc/self/fd/${fd}`)
  } finally {
    closeSync(fd)
  }
}

/** The error for a sandbox that somebody has ended while a command is about it. */
export function endedMeanwhile(): CnilabError {
  return new CnilabError('state', 'the sandbox has ended meanwhile', { fix: 'run the command again' })
}

/** Whether the first process of a sandbox has ended. */
export function hasEnded({ kind, inside, holder }: Host): boolean {
  return kind === 'sandbox' && !inside && !existsSync(`/proc/${holder}/root`)
}

/** Says of one of cnilab's own files why it cannot be used: in a sandbox, because of what was done to it there. */
export function notOpened(host: Host, path: string, why: unknown): CnilabError {
  if (hasEnded(host)) return endedMeanwhile()
  const said = why instanceof Error ? why.message : String(why)
  return host.kind === 'sandbox'
    ? new CnilabError('state', `a program in the sandbox '${host.name}' changed ${path}, which is cnilab's: ${said}`, {
        fix: remedyForLimit(said) ?? `cnilab sandbox delete ${host.name}, and begin anew`,
      })
    : new CnilabError('state', `${path} cannot be used: ${said}`, { fix: `look at it with: ls -ld ${path}` })
}
