const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Does work with a signal that Ctrl-C, or a termination signal, aborts, so that it can undo what it began. */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const interrupt = new AbortController()
  const stop = () => interrupt.abort()
  for (const signal of SIGNALS) process.on(signal, stop)
  try {
    return await work(interrupt.signal)
  } finally {
    for (const signal of SIGNALS) process.off(signal, stop)
  }
}
