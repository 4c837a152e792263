/** How much of the machine a sandbox may use: the size of all its files together, and its processes. */
export const SANDBOX_LIMITS = { files: '256m', processes: 2000 }

/** The messages of unshare(1) and ip(8) if the kernel refuses more namespaces: errno(3) has no separate code for that. */
const NO_NAMESPACE = /(?:unshare failed|Failed to create a new network namespace\b.*): No space left on device/

/** Whether a message says that the kernel refuses more namespaces. */
export function isNamespaceLimit(words: string): boolean {
  return NO_NAMESPACE.test(words)
}

/** The messages of errno(3) and of shells when a limit is reached, and what to do about it. */
const REACHED: readonly (readonly [RegExp, string])[] = [
  [
    /[Cc]annot fork|fork failed|fork: |Resource temporarily unavailable|EAGAIN/,
    `too many processes: a sandbox may have ${SANDBOX_LIMITS.processes}, and a user as many as ulimit -u says; end some`,
  ],
  [NO_NAMESPACE, 'too many namespaces: delete some, or raise sysctl user.max_net_namespaces'],
  [
    /No space left on device|ENOSPC/,
    `all files in a sandbox may hold ${SANDBOX_LIMITS.files.toUpperCase()}B together: delete some there`,
  ],
  [/Cannot allocate memory|ENOMEM/, 'there is not enough memory: end other programs'],
  [/[Ff]ile too large|File size limit exceeded|EFBIG/, 'the limit on the size of files is too low: raise ulimit -f'],
  [/Too many open files|EMFILE|ENFILE/, 'too many files are open: raise ulimit -n'],
]

/** What to do about a message of the kernel or a program that a limit was reached; undefined for other messages. */
export function remedyForLimit(words: string): string | undefined {
  return REACHED.find(([pattern]) => pattern.test(words))?.[1]
}
