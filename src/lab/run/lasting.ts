import type { Runnable, RunnableStep } from '../format/lab.ts'

/** Whether a finding of a step need not pass to the end of the lab. */
export function isOverSometime({ steps }: Pick<Runnable, 'steps'>, step: RunnableStep, id: string): boolean {
  return endOf({ steps }, step, id) < steps.length
}

/** The index of the step from which on a finding of a step need not pass any more; after the last one if it lasts. */
export function endOf({ steps }: Pick<Runnable, 'steps'>, { until }: RunnableStep, id: string): number {
  const end = until?.[id]
  return end === undefined ? steps.length : steps.findIndex((step) => step.id === end)
}
