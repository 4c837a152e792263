import { checkRunning, type RunningLab } from '../../lab/run/lab-in-progress.ts'
import type { LabCheckResult } from '../../lab/run/check.ts'
import type { LabStep } from '../../lab/format/lab.ts'
import type { View } from '../terminal/view.ts'
import { whileWaiting } from '../terminal/waiting.ts'

/** Checks the running lab, at least to the step `upTo`, and says so if that takes long. Throws as `checkRunning` does. */
export function checkNow(running: RunningLab, { plain }: View, upTo?: LabStep): Promise<LabCheckResult> {
  return whileWaiting('checking the network, also with real packets', plain, checkRunning(running, true, upTo))
}
