import { type PutOn, putOn } from '../cni/bridge-container.ts'
import type { BridgeJob } from '../cni/bridge-job.ts'
import type { Kernel } from '../kernel/kernel.ts'

/** Puts a container on its bridge, and draws the steps as those of a lab. Ctrl-C stops it, and takes back what was done. */
export async function drawAdd(kernel: Kernel, job: BridgeJob, isDrawn: boolean, plain: boolean): Promise<PutOn> {
  const interrupt = new AbortController()
  const stop = () => interrupt.abort()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop)
  try {
    const { drawLab } = await import('./lab-progress.ts')
    return await putOn(kernel, job, (steps) => (isDrawn ? drawLab(steps, plain, Infinity) : {}), interrupt.signal)
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, stop)
  }
}
