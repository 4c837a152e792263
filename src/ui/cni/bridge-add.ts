import { type PutOn, putOn } from '../../cni/teacher/bridge-container.ts'
import type { BridgeJob } from '../../cni/teacher/bridge-job.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import { interruptible } from '../terminal/interruptible.ts'

/**
 * Attaches a container to its bridge, and draws the steps like those of a lab, or with `tell` only prints the CNI result.
 * Ctrl-C stops it and undoes everything.
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
