/** What kinds of system calls may fail. */
export type Group = 'fork' | 'exec' | 'open' | 'write' | 'mkdir'

interface Call {
  group: Group
  name: string
  number: number
  /** Which argument says what it is about: a path, a descriptor, flags. */
  at?: number
  /** With what it fails. */
  errno: number
}

const ERRNO = { EAGAIN: 11, EACCES: 13, EMFILE: 24, ENOSPC: 28 }

/** Numbers on x86-64 and, where there is such a call, in the table that newer architectures share. */
const table: readonly (readonly [Group, string, number, number | undefined, number | undefined, number])[] = [
  ['fork', 'clone', 56, 220, 0, ERRNO.EAGAIN],
  ['fork', 'fork', 57, undefined, undefined, ERRNO.EAGAIN],
  ['fork', 'vfork', 58, undefined, undefined, ERRNO.EAGAIN],
  ['fork', 'clone3', 435, 435, 0, ERRNO.EAGAIN],
  ['exec', 'execve', 59, 221, 0, ERRNO.EACCES],
  ['open', 'open', 2, undefined, 0, ERRNO.EMFILE],
  ['open', 'creat', 85, undefined, 0, ERRNO.EMFILE],
  ['open', 'openat', 257, 56, 1, ERRNO.EMFILE],
  ['open', 'openat2', 437, 437, 1, ERRNO.EMFILE],
  ['write', 'write', 1, 64, 0, ERRNO.ENOSPC],
  ['write', 'writev', 20, 66, 0, ERRNO.ENOSPC],
  ['write', 'pwrite64', 18, 68, 0, ERRNO.ENOSPC],
  ['mkdir', 'mkdir', 83, undefined, 0, ERRNO.ENOSPC],
  ['mkdir', 'mkdirat', 258, 34, 1, ERRNO.ENOSPC],
]

/** The system calls that may fail. */
export const CALLS: readonly Call[] = table.flatMap(([group, name, x64, shared, at, errno]) => {
  const number = process.arch === 'x64' ? x64 : shared
  return number === undefined ? [] : [{ group, name, number, errno, ...(at === undefined ? {} : { at }) }]
})

/** Flags of clone(2). A new thread is Node's own affair: it ends where it gets none. */
export const CLONE = { thread: 0x10000n }

/** What a program opens before it does anything, and what Node looks up for itself: where it cannot, it does not even start. */
export const NODES_OWN =
  /^(\/usr)?\/lib|^\/etc\/ld\.so|^\/usr\/share\/(locale|zoneinfo)|^\/sys\/|\/package\.json$|\/oclif\.manifest\.json$/

/** The n-th call, from 0, of those that are called the same. */
export interface Fault {
  label: string
  nth: number
  /** Whether the caller is killed; else the call fails. */
  kill: boolean
}

/** What the runner tells the supervisor. */
export type Order = { order: 'begin'; fault: Fault | undefined } | { order: 'end' }

/** What the supervisor says at the end. */
export interface Supervised {
  isMet: boolean
  calls: string[]
}
