import { Flags } from '@oclif/core'
import { CnilabError } from '../../errors.ts'
import { noteStep, type RunningLab } from '../../lab/run/lab-in-progress.ts'
import type { Lab, LabStep } from '../../lab/format/lab.ts'

/** The flag with which a learner asks for a solution in an exam. */
export const giveUpFlag = Flags.boolean({
  description: 'in an exam: show the solution all the same, which is recorded',
})

/** Throws CnilabError `usage` if the lab is an exam and the learner has not given up. */
export function requireGivingUp({ id, exam }: Pick<Lab, 'id' | 'exam'>, hasGivenUp: boolean): void {
  if (!exam || hasGivenUp) return
  throw new CnilabError('usage', `the lab ${id} is an exam: this would give the solution away`, {
    fix: 'add --give-up if you want that all the same; it is recorded',
  })
}

/** Records that the learner gave up on some steps of an exam; does nothing in other labs. */
export async function noteGivingUp(running: RunningLab, steps: readonly LabStep[]): Promise<void> {
  if (running.lab.exam) for (const step of steps) await noteStep(running, step, { gaveUp: true })
}
