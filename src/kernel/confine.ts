import { once } from '../once.ts'
import { codeOf } from './code-of.ts'
import { libc } from './libc.ts'
import { seccompFilter } from './seccomp.ts'

const PR_SET_NO_NEW_PRIVS = 38
const CLOSE_RANGE_CLOEXEC = 4

/** What one process in a sandbox may use at most, by the numbers of prlimit(2): bytes of data, of a core dump, open files. */
const LIMITS = [
  { resource: 2, most: 2n * 1024n ** 3n },
  { resource: 4, most: 0n },
  { resource: 7, most: 4096n },
]

/**
 * Takes from this process, and so from all that it starts, what nothing in a sandbox may have: descriptors that it was
 * started with, new privileges, and the system calls of seccomp.ts. A process that is about to start a program in a sandbox
 * calls it; a program that came in without would lend its rights to those that are inside already. It cannot be taken
 * back. Throws CnilabError `machine` where the C library cannot be called.
 */
export const confine = once((): void => {
  const { closeRange, prctl, setLimit, setSeccomp, addressOf } = libc()
  closeRange(3, 0xffffffff, CLOSE_RANGE_CLOEXEC)
  for (const { resource, most } of LIMITS) setLimit(resource, most)
  prctl(PR_SET_NO_NEW_PRIVS, 1)
  const filter = seccompFilter(process.arch)
  if (!filter) return
  // struct sock_fprog: how many instructions, and where they are.
  const program = Buffer.alloc(16)
  program.writeUInt16LE(filter.length / 8, 0)
  program.writeBigUInt64LE(addressOf(filter), 8)
  try {
    setSeccomp(program)
  } catch (error) {
    if (codeOf(error) !== 'EINVAL') throw error // this kernel was built without; doctor tells
  }
})
