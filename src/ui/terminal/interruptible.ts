const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Does work that Ctrl-C, or a signal that asks to end, aborts: it can then undo what it began. */
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
