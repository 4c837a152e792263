import type { Runnable } from './lab.ts'

/** Whether a lab has so many operations that they are judged once, at the end, instead of after each step. */
export function isLarge(lab: Runnable): boolean {
  return lab.steps.reduce((sum, step) => sum + step.operations.length, 0) > 50
}
