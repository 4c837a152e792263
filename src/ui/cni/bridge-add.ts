import { type PutOn, putOn } from '../../cni/teacher/bridge-container.ts'
import type { BridgeJob } from '../../cni/teacher/bridge-job.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import { interruptible } from '../terminal/interruptible.ts'

/**
 * Puts a container on its bridge, and draws the steps like those of a lab, or only prints its CNI result. Ctrl-C stops it
 * and undoes what was done.
 */
export async function drawAdd(
  kernel: Kernel,
  job: BridgeJob,
  plain: boolean,
  tell?: (text: string) => void,
): Promise<PutOn> {
  return interruptible(async (signal) => {
    const { drawLab } = await import('../lab/lab-progress.ts')
    const draw = (steps: number) => (tell ? {} : drawLab(steps, plain, Infinity))
    return putOn(kernel, job, draw, signal, tell)
  })
}
