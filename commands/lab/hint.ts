import { currentStep } from '../../src/engine/check-lab.ts'
import { checkRunning, note } from '../../src/engine/running-lab.ts'
import { stepProgress } from '../../src/journal/progress.ts'
import type { Document } from '../../src/ui/base-command.ts'
import { plainFlag } from '../../src/ui/flags.ts'
import { LabCommand } from '../../src/ui/lab-command.ts'
import { showHint } from '../../src/ui/hint.ts'

interface HintDocument extends Document {
  lab: string
  /** Absent once all steps are done. */
  step?: string
  /** Of how many the last one that was shown. */
  hint: { number: number; of: number }
}

export default class LabHint extends LabCommand {
  static override summary = 'Get a hint for the step that you are at'
  static override description =
    'First what is wrong, if something is; then the hints of the step, one more each time; then the way to the solution.'
  static override examples = ['<%= config.bin %> lab hint']
  static override flags = { plain: plainFlag }

  async run(): Promise<HintDocument> {
    const { flags } = await this.parse(LabHint)
    const { running, view } = await this.running(flags)
    const checked = await checkRunning(running)
    const step = currentStep(checked)
    const schema = 'cnilab/lab-hint/v1'
    if (!step) {
      this.log('All steps are done.')
      return { schema, lab: running.lab.id, hint: { number: 0, of: 0 } }
    }
    const shown = showHint(running, step, checked.findings, view, `cnilab lab solve ${step.id}${view.flags}`)
    await note(running, step, { hints: Math.max(shown, stepProgress(running.progress, step.id).hints) })
    return { schema, lab: running.lab.id, step: step.id, hint: { number: shown, of: step.hints.length } }
  }
}
