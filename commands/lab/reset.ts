import { Flags } from '@oclif/core'
import { CnilabError } from '../../src/errors.ts'
import { findStep } from '../../src/lab/run/steps.ts'
import { resetLab } from '../../src/lab/run/reset.ts'
import { plainFlag, stepArgument } from '../../src/ui/terminal/flags.ts'
import { changeFlags } from '../../src/ui/terminal/base-command.ts'
import type { LabStep } from '../../src/lab/format/lab.ts'
import { LabCommand } from '../../src/ui/lab/lab-command.ts'
import { type StatusDocument, statusDocument } from '../../src/ui/lab/step-document.ts'
import { showMap, showTask } from '../../src/ui/lab/show-lab.ts'
import { checkNow } from '../../src/ui/lab/checking.ts'
import { whileWaiting } from '../../src/ui/terminal/waiting.ts'

export default class LabReset extends LabCommand {
  static override summary = 'Rebuild the exact state at the start of a step, or of the lab'
  static override description =
    'Removes everything that was done to the sandbox since, by anyone. Shells that are open in it stay open.'
  static override examples = ['<%= config.bin %> lab reset', '<%= config.bin %> lab reset up']
  static override args = { step: stepArgument('the step to go back to') }
  static override baseFlags = changeFlags
  static override flags = {
    yes: Flags.boolean({ description: 'reset without asking' }),
    plain: plainFlag,
  }

  async run(): Promise<StatusDocument> {
    const { args, flags } = await this.parse(LabReset)
    const { running, view } = await this.running(flags)
    const step = args.step === undefined ? undefined : findStep(running.lab, args.step)
    if (!flags.yes && !(await this.#confirm(step, flags.plain))) {
      this.log('Nothing was changed.')
      const { steps } = await checkNow(running, view)
      return statusDocument(running, steps)
    }
    const { steps, now } = await whileWaiting('rebuilding the network', view.plain, resetLab(running, step))
    showMap(running.lab, steps, now, view, running.progress, true)
    showTask(running.lab, steps, view)
    return statusDocument(running, steps)
  }

  /** Asks on a terminal whether to lose what was done since. Throws CnilabError `usage` where nobody can be asked. */
  async #confirm(step: LabStep | undefined, plain: boolean): Promise<boolean> {
    const lost = `everything built since the start of ${step ? `step ${step.id}` : 'the lab'} will be lost`
    if (this.jsonEnabled() || !process.stdin.isTTY || !process.stdout.isTTY)
      throw new CnilabError('usage', lost, { fix: 'add --yes to reset it' })
    const { confirmed } = await import('../../src/ui/terminal/prompts.ts')
    return confirmed(`Reset it? ${lost[0]?.toUpperCase()}${lost.slice(1)}.`, false, { plain })
  }
}
