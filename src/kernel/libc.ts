import module from 'node:module'
import { join } from 'node:path'
import { getSystemErrorName } from 'node:util'
import type * as Koffi from 'koffi'
import { CnilabError } from '../errors.ts'
import { once } from '../once.ts'
import type { Calls } from './netlink/calls.ts'
import { packageFolder } from './package-folder.ts'

/** Numbers of system calls that are the same on all architectures (include/uapi/asm-generic/unistd.h). */
const SYS = { close_range: 436, openat2: 437 }

/** The system calls that Node has no function for. Each throws an error like those of node:fs, with a `code`. */
export interface Libc {
  /** openat2(2); `how` is its struct open_how. Returns a descriptor. */
  openat2: (folder: number, path: string, how: Buffer) => number
  /** close_range(2). */
  closeRange: (first: number, last: number, flags: number) => void
  /** Any system call whose arguments are all numbers. */
  syscall: (name: string, number: number, a: number, b: number) => number
  /** prctl(2). */
  prctl: (option: number, value: number) => void
  /** prctl(2) with PR_SET_SECCOMP, SECCOMP_MODE_FILTER and a struct sock_fprog. */
  setSeccomp: (program: Buffer) => void
  /** Lowers the soft and the hard limit of this process to `most`, unless they are lower: prlimit(2). */
  setLimit: (resource: number, most: bigint) => void
  /** ioctl(2) with a number. Returns the kernel's result. */
  ioctl: (fd: number, request: number, value: number) => number
  /** ioctl(2) with a structure, which the kernel reads. */
  ioctlWith: (fd: number, request: number, structure: Buffer) => number
  /** The address of a buffer, for structures that point to it. */
  addressOf: (buffer: Buffer) => bigint
  /** The system calls of netlink. */
  netlink: Calls
}

/** Loads the C library on first use, in 2 ms. Throws CnilabError `machine` if koffi does not support this platform. */
export const libc = once((): Libc => {
  const koffi = loadKoffi()
  const c = koffi.load(null)
  const checked = (name: string, result: unknown): number => {
    if (Number(result) >= 0) return Number(result)
    const code = getSystemErrorName(-koffi.errno())
    throw Object.assign(new Error(`${code}: ${name}`), { code })
  }
  const openat2 = c.func('long syscall(long, int, const char *, const void *, size_t)')
  const syscall = c.func('long syscall(long, unsigned long, unsigned long, unsigned long)')
  const prctl = c.func('int prctl(int, unsigned long, unsigned long, unsigned long, unsigned long)')
  const seccomp = c.func('int prctl(int, unsigned long, const void *)')
  const prlimit = c.func('int prlimit(int, int, const void *, void *)')
  const ioctl = c.func('int ioctl(int, unsigned long, unsigned long)')
  const ioctlWith = c.func('int ioctl(int, unsigned long, void *)')
  return {
    openat2: (folder, path, how) => checked('openat2', openat2(SYS.openat2, folder, path, how, how.length)),
    closeRange: (first, last, flags) => void checked('close_range', syscall(SYS.close_range, first, last, flags)),
    syscall: (name, number, a, b) => checked(name, syscall(number, a, b, 0)),
    prctl: (option, value) => void checked('prctl', prctl(option, value, 0, 0, 0)),
    setSeccomp: (program) => void checked('seccomp', seccomp(22, 2, program)),
    setLimit: (resource, most) => {
      const limits = Buffer.alloc(16) // struct rlimit: the soft one, the hard one
      checked('prlimit', prlimit(0, resource, null, limits))
      for (const at of [0, 8]) if (limits.readBigUInt64LE(at) > most) limits.writeBigUInt64LE(most, at)
      checked('prlimit', prlimit(0, resource, limits, null))
    },
    ioctl: (fd, request, value) => checked('ioctl', ioctl(fd, request, value)),
    ioctlWith: (fd, request, structure) => checked('ioctl', ioctlWith(fd, request, structure)),
    addressOf: (buffer) => koffi.address(buffer),
    netlink: netlinkCalls(koffi, c),
  }
})

function netlinkCalls(koffi: typeof Koffi, c: ReturnType<typeof Koffi.load>): Calls {
  const call = (signature: string) => {
    const made = c.func(signature)
    return (...given: readonly unknown[]): number => {
      const result = Number(made(...given))
      return result < 0 ? -koffi.errno() : result
    }
  }
  const [setsockopt, send, recv] = [
    call('int setsockopt(int, int, int, const void *, int)'),
    call('long send(int, const void *, size_t, int)'),
    call('long recv(int, void *, size_t, int)'),
  ]
  const strerror = c.func('const char *strerror(int)')
  return {
    socket: call('int socket(int, int, int)'),
    setsockopt: (fd, level, name, value) => setsockopt(fd, level, name, value, value.length),
    send: (fd, bytes) => send(fd, bytes, bytes.length, 0),
    recv: (fd, into) => recv(fd, into, into.length, 0),
    setns: call('int setns(int, int)'),
    flock: call('int flock(int, int)'),
    strerror: (errno) => String(strerror(errno)),
  }
}

/** The package with koffi's prebuilt files for this platform. */
export const PREBUILT = `@koromix/koffi-${process.platform}-${process.arch}`

/** Loads only koffi's prebuilt part, in a fifth of the time that the whole package takes. */
function loadKoffi(): typeof Koffi {
  const require = module.createRequire(import.meta.filename)
  const built = join(packageFolder(), 'dist', 'koffi') // for the platform on which we were built
  for (const folder of [built, PREBUILT])
    for (const library of ['linux', 'musl'])
      try {
        const loaded: typeof Koffi = require(`${folder}/${library}_${process.arch}/koffi.node`)
        return loaded
      } catch {
        // another C library, or another platform
      }
  throw new CnilabError('machine', `cnilab has no way to call the C library on ${process.platform}-${process.arch}`, {
    fix: 'reinstall it with its optional dependencies: npm ci --include=optional',
  })
}
