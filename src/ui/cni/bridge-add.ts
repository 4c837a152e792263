import { type PutOn, putOn } from '../../cni/teacher/bridge-container.ts'
import type { BridgeJob } from '../../cni/teacher/bridge-job.ts'
import type { Kernel } from '../../kernel/kernel.ts'

/**
 * Puts a container on its bridge, and draws the steps as those of a lab, or has its CNI result told instead. Ctrl-C stops it, and takes back what was done.
 */
export async function drawAdd(
  kernel: Kernel,
  job: BridgeJob,
  plain: boolean,
  tell?: (text: string) => void,
): Promise<PutOn> {
  const interrupt = new AbortController()
  const stop = () => interrupt.abort()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop)
  try {
    const { drawLab } = await import('../lab/lab-progress.ts')
    const draw = (steps: number) => (tell ? {} : drawLab(steps, plain, Infinity))
    return await putOn(kernel, job, draw, interrupt.signal, tell)
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, stop)
  }
}
