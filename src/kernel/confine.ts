import { once } from '../once.ts'
import { codeOf } from './code-of.ts'
import { libc } from './libc.ts'
import { seccompFilter } from './seccomp.ts'

const PR_SET_NO_NEW_PRIVS = 38
const CLOSE_RANGE_CLOEXEC = 4

/**
 * Limits for each process in a sandbox, by prlimit(2)'s numbers: bytes of data, bytes of a core dump, open files. Bun, with
 * which the plugins are compiled, reserves between 2 and 3 GiB, and does without much of itself where it cannot.
 */
const LIMITS = [
  { resource: 2, most: 4n * 1024n ** 3n },
  { resource: 4, most: 0n },
  { resource: 7, most: 4096n },
]

/**
 * Takes away from this process, and so from its children, what no process in a sandbox may have: inherited descriptors, new
 * privileges, and the system calls of seccomp.ts. Call it before starting a program in a sandbox: programs that are already
 * inside could abuse the rights of one that came in without. It cannot be undone. Throws CnilabError `machine` if the C
 * library cannot be called.
 */
export const confine = once((): void => {
  const { closeRange, prctl, setLimit, setSeccomp, addressOf } = libc()
  closeRange(3, 0xffffffff, CLOSE_RANGE_CLOEXEC)
  for (const { resource, most } of LIMITS) setLimit(resource, most)
  prctl(PR_SET_NO_NEW_PRIVS, 1)
  const filter = seccompFilter(process.arch)
  if (!filter) return
  // struct sock_fprog: the number of instructions, and their address.
  const program = Buffer.alloc(16)
  program.writeUInt16LE(filter.length / 8, 0)
  program.writeBigUInt64LE(addressOf(filter), 8)
  try {
    setSeccomp(program)
  } catch (error) {
    if (codeOf(error) !== 'EINVAL') throw error // this kernel was built without seccomp; doctor reports it
  }
})
