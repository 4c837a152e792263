import {
  closeSync,
  constants,
  type Dirent,
  fstatSync,
  openSync,
  readdirSync,
  readSync,
  statfsSync,
  statSync,
  type Stats,
} from 'node:fs'
import { codeOf } from './code-of.ts'

/**
 * Why a file was not read: words that go on after its name and a colon. `code` is that of the system call that refused;
 * undefined for what is there and is not read, such as a pipe, or more bytes than expected.
 */
export class UnreadableError extends Error {
  readonly code: string | undefined
  path = ''

  constructor(message: string, code?: string) {
    super(message)
    this.name = 'UnreadableError'
    this.code = code
  }
}

export const MIB = 1024 * 1024

/**
 * The text of a file that is no larger than `most` bytes, of UTF-8. It waits for nothing and takes no more memory than
 * that, whatever is in the file's place: a pipe, a device, a file without an end. Throws UnreadableError.
 */
export function readText(path: string, most = MIB): string {
  const bytes = readBytes(path, most)
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw named(path, new UnreadableError(`it is not text in UTF-8: ${firstWrong(bytes)}`))
  }
}

/** The same for whatever bytes it holds. */
export function readBytes(path: string, most: number): Buffer {
  try {
    refuseOther(statSync(path), path) // before it is opened: to open some devices does something
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
    try {
      const stat = fstatSync(fd)
      refuseOther(stat, path)
      if (stat.size > most) throw tooLarge(most)
      return readDescriptor(fd, most, stat.isFIFO() ? PATIENCE : 0, stat.size + 1)
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    throw named(path, explained(error))
  }
}

function named(path: string, error: unknown): unknown {
  if (error instanceof UnreadableError) error.path = path
  return error
}

/** What is at a path, links followed; undefined if nothing is, or nothing that this user can reach. */
export function statOf(path: string): Stats | undefined {
  try {
    return statSync(path)
  } catch {
    return undefined
  }
}

/** What is in a folder. Throws UnreadableError, with ENOENT for `code` where there is none. */
export function readFolder(path: string): Dirent[] {
  try {
    return readdirSync(path, { withFileTypes: true })
  } catch (error) {
    const code = codeOf(error) ?? ''
    throw named(path, new UnreadableError(FOLDER_REASONS[code] ?? REASONS[code] ?? `it cannot be read (${code})`, code))
  }
}

/** How long the writer of a pipe that we were handed may be silent, in ms. */
const PATIENCE = 5000

/**
 * All that can be read from a descriptor, `most` bytes at most. Where that would have to wait, it waits `patience`
 * milliseconds for each piece; the first one is expected to have so many bytes. Throws UnreadableError.
 */
export function readDescriptor(fd: number, most: number, patience: number, expected = 0): Buffer {
  const pieces: Buffer[] = []
  let size = 0
  let since = Date.now()
  for (;;) {
    const piece = Buffer.allocUnsafe(Math.min(Math.max(64 * 1024, expected - size), most + 1 - size))
    try {
      const read = readSync(fd, piece)
      if (read === 0) return Buffer.concat(pieces)
      pieces.push(piece.subarray(0, read))
      size += read
      since = Date.now()
    } catch (error) {
      if (codeOf(error) !== 'EAGAIN') throw explained(error)
      if (Date.now() - since >= patience) throw new UnreadableError('nothing is to be read from it without waiting')
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, WAIT)
    }
    if (size > most) throw tooLarge(most)
  }
}

/** Between two looks at a pipe, in ms. */
const WAIT = 10

/** What statfs(2) says of a pipe without a name (linux/magic.h, PIPEFS_MAGIC). */
const PIPEFS = 0x50495045

/**
 * Refuses what is no file. A pipe without a name is one: the shell has made it, of `<(…)` or `|`, and handed it to us as
 * /dev/fd/N; who opens one that has a name waits for a writer.
 */
function refuseOther(stat: Stats, path: string): void {
  if (stat.isFile() || (stat.isFIFO() && statfsSync(path).type === PIPEFS)) return
  throw new UnreadableError(
    stat.isDirectory()
      ? 'it is a folder, not a file'
      : stat.isFIFO()
        ? 'it is a pipe: reading it would wait for somebody to write'
        : stat.isSocket()
          ? 'it is a socket, not a file'
          : 'it is a device, not a file',
  )
}

/** What the system calls say, in words. */
const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'this user may not read it',
  EPERM: 'this user may not read it',
  ELOOP: 'it is a link that leads back to itself',
  ENOTDIR: 'a part of its path is no folder',
  ENAMETOOLONG: 'its name is too long',
  EISDIR: 'it is a folder, not a file',
  EMFILE: 'this process may not open more files: see ulimit -n',
  ERR_INVALID_ARG_VALUE: 'its name holds a NUL character',
}

/** The same of a folder. */
const FOLDER_REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such folder',
  ENOTDIR: 'it is no folder',
}

function explained(error: unknown): unknown {
  const code = codeOf(error)
  if (error instanceof UnreadableError || code === undefined) return error
  return new UnreadableError(REASONS[code] ?? `it cannot be read (${code})`, code)
}

function tooLarge(most: number): UnreadableError {
  return new UnreadableError(`it has more than ${inWords(most)}, and no more is read`)
}

function inWords(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB']
  const unit = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), units.length - 1)
  return `${Math.round((bytes / 1024 ** unit) * 10) / 10} ${units[unit] ?? ''}`
}

function firstWrong(bytes: Buffer): string {
  // What cannot be decoded becomes U+FFFD, of which there may be honest ones.
  let line = 1
  for (let at = 0; at < bytes.length; line++) {
    const end = bytes.indexOf(10, at)
    const piece = bytes.subarray(at, end < 0 ? bytes.length : end)
    if (!piece.equals(Buffer.from(piece.toString('utf8')))) return `see line ${line}`
    at += piece.length + 1
  }
  return 'see its end'
}
