import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  statfsSync,
  statSync,
  type Dirent,
  type Stats,
} from 'node:fs'
import { codeOf } from './code-of.ts'

/**
 * Why a file was not read: the message continues a sentence after its name and a colon. `code` is the error of the system
 * call; undefined if we refused to read it, such as a pipe, or more bytes than expected.
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

/** Bytes in a mebibyte. */
export const MIB = 1024 * 1024

/**
 * Reads a file of at most `most` bytes of UTF-8. It never blocks and takes no more memory than that, whatever is in the
 * file's place: a pipe, a device, an endless file. Throws UnreadableError.
 */
export function readText(path: string, most = MIB): string {
  const bytes = readBytes(path, most)
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw named(path, new UnreadableError(`it is not text in UTF-8: ${firstWrong(bytes)}`))
  }
}

/** Like `readText`, for any bytes. */
export function readBytes(path: string, most: number): Buffer {
  try {
    refuseOther(statSync(path), path) // before opening it: merely opening some devices has an effect
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
    try {
      const stat = fstatSync(fd)
      refuseOther(stat, path)
      if (stat.size > most) throw tooLarge(most)
      return readDescriptor(fd, most, stat.isFIFO() ? TIME_LIMIT : 0, stat.size + 1)
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    const leads = codeOf(error) === 'ENOENT' ? linkAt(path) : undefined
    throw named(
      path,
      leads === undefined
        ? explained(error)
        : new UnreadableError(`it is a link that leads nowhere: to ${leads}`, 'ENOENT'),
    )
  }
}

/** Where a link leads; undefined if it is none. */
function linkAt(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}

function named(path: string, error: unknown): unknown {
  if (error instanceof UnreadableError) error.path = path
  return error
}

/** Follows links and returns what is at a path; undefined if there is nothing that this user can reach. */
export function statOf(path: string): Stats | undefined {
  try {
    return statSync(path)
  } catch {
    return undefined
  }
}

/** Lists a directory. Throws UnreadableError, with ENOENT as `code` if there is none. */
export function readFolder(path: string): Dirent[] {
  try {
    return readdirSync(path, { withFileTypes: true })
  } catch (error) {
    const code = codeOf(error) ?? ''
    throw named(path, new UnreadableError(FOLDER_REASONS[code] ?? REASONS[code] ?? `it cannot be read (${code})`, code))
  }
}

/** How long the writer of a pipe that we were handed may be silent, in ms. */
const TIME_LIMIT = 5000

/**
 * Reads a descriptor to its end, at most `most` bytes. Waits up to `patience` milliseconds for each piece. `expected` is
 * the size that the whole probably has. Throws UnreadableError.
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
      if (Date.now() - since >= patience) throw new UnreadableError('it has nothing to read without waiting')
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, WAIT)
    }
    if (size > most) throw tooLarge(most)
  }
}

/** How long to wait between two reads of a pipe, in ms. */
const WAIT = 10

/** The file system type of an anonymous pipe, by statfs(2) (linux/magic.h, PIPEFS_MAGIC). */
const PIPEFS = 0x50495045

/**
 * Refuses anything but a file. An anonymous pipe counts as one: the shell made it, for `<(…)` or `|`, and passed it to us as
 * /dev/fd/N. Opening a named pipe would wait for a writer.
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

/** The errors of system calls, in words. */
const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'this user may not read it',
  EPERM: 'this user may not read it',
  ELOOP: 'it is a link that leads back to itself',
  ENOTDIR: 'a part of its path is not a folder',
  ENAMETOOLONG: 'its name is too long',
  EISDIR: 'it is a folder, not a file',
  EMFILE: 'this process may not open more files: see ulimit -n',
  ERR_INVALID_ARG_VALUE: 'its name contains a NUL character',
}

/** The same for a directory. */
const FOLDER_REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such folder',
  ENOTDIR: 'it is not a folder',
}

function explained(error: unknown): unknown {
  const code = codeOf(error)
  if (error instanceof UnreadableError || code === undefined) return error
  return new UnreadableError(REASONS[code] ?? `it cannot be read (${code})`, code)
}

function tooLarge(most: number): UnreadableError {
  return new UnreadableError(`it has more than ${inWords(most)}, the most that is read`)
}

function inWords(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB']
  const unit = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), units.length - 1)
  return `${Math.round((bytes / 1024 ** unit) * 10) / 10} ${units[unit] ?? ''}`
}

function firstWrong(bytes: Buffer): string {
  // Undecodable bytes become U+FFFD, but the text may also contain real ones.
  let line = 1
  for (let at = 0; at < bytes.length; line++) {
    const end = bytes.indexOf(10, at)
    const piece = bytes.subarray(at, end < 0 ? bytes.length : end)
    if (!piece.equals(Buffer.from(piece.toString('utf8')))) return `see line ${line}`
    at += piece.length + 1
  }
  return 'see its end'
}
