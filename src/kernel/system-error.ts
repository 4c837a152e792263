import { CnilabError } from '../errors.ts'
import { UnreadableError } from './read-file.ts'

/** What the system refused, by errno(3), and what to do about it. */
const REFUSALS: Readonly<Record<string, readonly [what: string, fix: string]>> = {
  EMFILE: ['this process may not open as many files as it needs', 'ulimit -n 1024, then run the command again'],
  ENFILE: ['the system has as many files open as it may', 'end programs that have many files open'],
  EAGAIN: ['the system starts no more processes for this user', 'end some of them; ulimit -u shows the limit'],
  ENOMEM: ['the system has no memory left', 'end other programs'],
  ENOSPC: ['no space is left on the file system', 'make room there; df -h shows which one is full'],
  EDQUOT: ["this user's quota on the file system is used up", 'make room there'],
  EROFS: ['the file system is read-only', 'make it writable, or choose another folder'],
  EACCES: ['this user may not do that', 'check its owner and mode'],
  EPERM: ['this user may not do that', 'check its owner and mode'],
  EFBIG: ['this process may not write files as large as it needs', 'raise ulimit -f, then run the command again'],
  ENOTDIR: ['a part of the path is not a folder', 'see what is in its place'],
  EISDIR: ['a folder is in the place of a file', 'see what is in it, and move it away'],
  ELOOP: ['a link leads back to itself', 'see what is in its place'],
  ENAMETOOLONG: ['a name is too long', 'choose a shorter one'],
  EIO: ['the device cannot be read or written', 'see what the kernel says about it: dmesg'],
}

/**
 * Turns a system error, such as a full disk, into one that the user can act on: CnilabError `machine`. Undefined for other
 * errors, and for those that only a bug of ours can cause.
 */
export function systemError(error: unknown): CnilabError | undefined {
  if (error instanceof UnreadableError)
    return new CnilabError('machine', `cannot read ${error.path}: ${error.message}`, { cause: error })
  if (!(error instanceof Error) || !('syscall' in error) || !('code' in error)) return undefined
  const refusal = REFUSALS[String(error.code).replace('ERR_FS_', '')]
  if (!refusal) return undefined
  const [what, fix] = refusal
  const path = 'path' in error ? ` ${String(error.path)}` : ''
  return new CnilabError('machine', `${what}: ${String(error.syscall)}${path}`, { fix, cause: error })
}
