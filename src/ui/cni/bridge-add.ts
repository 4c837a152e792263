import { type AttachOutcome, attachContainer } from '../../cni/teacher/bridge-container.ts'
import type { BridgeJob } from '../../cni/teacher/bridge-job.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import { interruptible } from '../terminal/interruptible.ts'

/**
 * Attaches a container to its bridge, and draws the steps like those of a lab, or with `deliver` only prints the CNI result.
 * Ctrl-C stops it and undoes everything.
 */
export async function drawAdd(
  kernel: Kernel,
  job: BridgeJob,
  plain: boolean,
  deliver?: (text: string) => void,
): Promise<AttachOutcome> {
  return interruptible(async (signal) => {
    const { drawLab } = await import('../lab/lab-progress.ts')
    const draw = (steps: number) => (deliver ? {} : drawLab(steps, plain, Infinity))
    return attachContainer(kernel, job, draw, signal, deliver)
  })
}
