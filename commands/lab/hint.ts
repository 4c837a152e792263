import { currentStep } from '../../src/lab/run/check.ts'
import { findStep } from '../../src/lab/run/steps.ts'
import type { Document } from '../../src/ui/terminal/base-command.ts'
import { plainFlag, stepArgument } from '../../src/ui/terminal/flags.ts'
import { LabCommand } from '../../src/ui/lab/lab-command.ts'
import { showHint } from '../../src/ui/lab/hint.ts'
import { checkNow } from '../../src/ui/lab/checking.ts'

interface HintDocument extends Document {
  lab: string
  /** Absent once all steps are done. */
  step?: string
  /** How many hints there are, and which was the last one shown; 0 if none is true now. */
  hint: { number: number; of: number }
}

export default class LabHint extends LabCommand {
  static override summary = 'Get a hint for the current step'
  static override description =
    "Shows first what is wrong, if anything, and where a packet was last seen; then the step's hints that are true now, one more each time; then how to get the solution."
  static override examples = ['<%= config.bin %> lab hint', '<%= config.bin %> lab hint veth']
  static override args = { step: stepArgument('the step; by default, the current one') }
  static override flags = { plain: plainFlag }

  async run(): Promise<HintDocument> {
    const { args, flags } = await this.parse(LabHint)
    const { running, view } = await this.running(flags)
    const named = args.step === undefined ? undefined : findStep(running.lab, args.step)
    const checked = await checkNow(running, view)
    const step = named ?? currentStep(checked)
    const schema = 'cnilab/lab-hint/v1'
    if (!step) {
      this.log('All steps are done.')
      return { schema, lab: running.lab.id, hint: { number: 0, of: 0 } }
    }
    const giveUp = running.lab.exam ? ' --give-up' : ''
    const number = await showHint(running, step, checked, view, `cnilab lab solve ${step.id}${giveUp}${view.flags}`)
    return { schema, lab: running.lab.id, step: step.id, hint: { number, of: step.hints.length } }
  }
}
