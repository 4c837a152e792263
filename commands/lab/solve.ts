import { Flags } from '@oclif/core'
import { findStep, missingSteps } from '../../src/lab/run/steps.ts'
import { currentStep } from '../../src/lab/run/check.ts'
import { doRunning } from '../../src/lab/run/lab-in-progress.ts'
import { CnilabError } from '../../src/errors.ts'
import { plainFlag, stepArgument } from '../../src/ui/terminal/flags.ts'
import { changeFlags } from '../../src/ui/terminal/base-command.ts'
import { LabCommand } from '../../src/ui/lab/lab-command.ts'
import { doneSteps, showAdvance } from '../../src/ui/lab/advance.ts'
import { giveUpFlag, noteGivingUp, requireGivingUp } from '../../src/ui/lab/exam.ts'
import { askToRun, showSolution } from '../../src/ui/lab/solve.ts'
import { type StepDocument, stepDocument } from '../../src/ui/lab/step-document.ts'
import { showResult } from '../../src/ui/lab/show-lab.ts'
import { checkNow } from '../../src/ui/lab/checking.ts'
import { whileWaiting } from '../../src/ui/terminal/waiting.ts'

export default class LabSolve extends LabCommand {
  static override summary = 'Show the solution of a step, and run it if you agree'
  static override examples = ['<%= config.bin %> lab solve', '<%= config.bin %> lab solve veth --yes']
  static override args = { step: stepArgument('the step to solve; by default, the current one') }
  static override baseFlags = changeFlags
  static override flags = {
    yes: Flags.boolean({ description: 'run it without asking' }),
    'give-up': giveUpFlag,
    plain: plainFlag,
  }

  async run(): Promise<StepDocument> {
    const { args, flags } = await this.parse(LabSolve)
    const { running, view } = await this.running(flags)
    const { lab, kernel } = running
    const named = args.step === undefined ? undefined : findStep(lab, args.step)
    const before = await checkNow(running, view)
    const step = named ?? currentStep(before)
    if (!step)
      throw new CnilabError('state', 'all steps are done', { fix: `cnilab lab stop${view.flags} ends the lab` })
    const steps = [...missingSteps(lab, step, before), step]
    requireGivingUp(lab, flags['give-up'])
    await noteGivingUp(running, steps)
    showSolution(running, steps, view)
    // A question would spoil the JSON document.
    const isWanted = flags.yes || (!this.jsonEnabled() && (await askToRun(view)))
    if (!isWanted) return stepDocument(lab, step, 'shown', kernel.host.name)
    const earlier = doneSteps(running)
    const result = await whileWaiting(
      `doing step ${step.id}`,
      view.plain,
      doRunning(running, step, steps.slice(0, -1), before),
    )
    showResult(step, { ...result, commands: [] }, view)
    await showAdvance(running, earlier, result, view, false) // the answers can be seen
    if (result.findings.some(({ passed }) => passed === false)) process.exitCode = 1
    return stepDocument(lab, step, result.status, kernel.host.name, result)
  }
}
