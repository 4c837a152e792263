/** How much a sandbox may take of the machine: what all files in it hold together, and its processes. */
export const SANDBOX_LIMITS = { files: '256m', processes: 2000 }

/** What unshare(1) and ip(8) say where the kernel makes no more namespaces: errno(3) has no words of its own for it. */
const NO_NAMESPACE = /(?:unshare failed|Failed to create a new network namespace\b.*): No space left on device/

/** Whether words tell that the kernel makes no more namespaces. */
export function isNamespaceLimit(words: string): boolean {
  return NO_NAMESPACE.test(words)
}

/** The words of a limit that was reached, as errno(3) and shells have them, and what to do. */
const REACHED: readonly (readonly [RegExp, string])[] = [
  [
    /[Cc]annot fork|fork failed|fork: |Resource temporarily unavailable|EAGAIN/,
    `too many processes run: in a sandbox ${SANDBOX_LIMITS.processes} at most, and of each user what ulimit -u says; end some`,
  ],
  [NO_NAMESPACE, 'too many namespaces: delete some, or raise sysctl user.max_net_namespaces'],
  [
    /No space left on device|ENOSPC/,
    `the files in a sandbox may hold ${SANDBOX_LIMITS.files.toUpperCase()}B together: delete some of them there`,
  ],
  [/Cannot allocate memory|ENOMEM/, 'memory is short: end other programs'],
  [/[Ff]ile too large|File size limit exceeded|EFBIG/, 'files may not be as large as they have to be: raise ulimit -f'],
  [/Too many open files|EMFILE|ENFILE/, 'too many files are open: raise ulimit -n'],
]

/** What to do where a program, or the kernel, says that a limit was reached; undefined for other words. */
export function remedyForLimit(words: string): string | undefined {
  return REACHED.find(([pattern]) => pattern.test(words))?.[1]
}
