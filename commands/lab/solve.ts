import { Flags } from '@oclif/core'
import { findStep, missingSteps } from '../../src/lab/run/steps.ts'
import { currentStep, isDone } from '../../src/lab/run/check.ts'
import { doRunning } from '../../src/lab/run/lab-in-progress.ts'
import { CnilabError } from '../../src/errors.ts'
import { toLine } from '../../src/plan/command-line.ts'
import { plainFlag, stepArgument } from '../../src/ui/terminal/flags.ts'
import { changeFlags } from '../../src/ui/terminal/base-command.ts'
import { LabCommand } from '../../src/ui/lab/lab-command.ts'
import { doneSteps, isOnTerminal, showAdvance } from '../../src/ui/lab/advance.ts'
import { giveUpFlag, noteGivingUp, requireGivingUp } from '../../src/ui/lab/exam.ts'
import { askToRemove, askToRun, showInTheWay, showSolution } from '../../src/ui/lab/solve.ts'
import { type StepDocument, stepDocument } from '../../src/ui/lab/step-document.ts'
import { showResult } from '../../src/ui/lab/show-lab.ts'
import { checkNow } from '../../src/ui/lab/checking.ts'
import { whileWaiting } from '../../src/ui/terminal/waiting.ts'

export default class LabSolve extends LabCommand {
  static override summary = 'Show the solution of a step, and run it if you agree'
  static override description =
    'Whatever state the network is in: it shows what is wrong in this step and in those that were done before, and the commands that put that right. Rules of nftables that cnilab did not make stay, also with --yes: they are named, and removed if you agree to that question, or with --remove-foreign.'
  static override examples = ['<%= config.bin %> lab solve', '<%= config.bin %> lab solve veth --yes']
  static override args = { step: stepArgument('the step to solve; by default, the current one') }
  static override baseFlags = changeFlags
  static override flags = {
    yes: Flags.boolean({ description: 'run it without asking' }),
    'give-up': giveUpFlag,
    'remove-foreign': Flags.boolean({
      description: 'run it, and also remove rules that cnilab did not make, if packets do not pass for them',
    }),
    plain: plainFlag,
  }

  async run(): Promise<StepDocument> {
    const { args, flags } = await this.parse(LabSolve)
    const { running, view } = await this.running(flags)
    const { lab, kernel } = running
    if (kernel.host.kind === 'machine' && flags['remove-foreign'])
      throw new CnilabError('usage', 'on this machine itself cnilab removes nothing that it did not make', {
        fix: 'without --remove-foreign, it shows the rules that are in the way',
      })
    const named = args.step === undefined ? undefined : findStep(lab, args.step)
    const before = await checkNow(running, view)
    const step = named ?? currentStep(before)
    if (!step)
      throw new CnilabError('state', 'all steps are done', { fix: `cnilab lab stop${view.flags} ends the lab` })
    const first = missingSteps(lab, step, before)
    requireGivingUp(lab, flags['give-up'])
    await noteGivingUp(running, [...first, step])
    const known = new Set((await showSolution(running, step, first, before, view)).map((one) => toLine(one, '1')))
    // A question would spoil the JSON document.
    const mayAsk = !this.jsonEnabled() && !flags.yes
    const isWanted = flags.yes || flags['remove-foreign'] || (mayAsk && (await askToRun(view)))
    if (!isWanted) return stepDocument(lab, step, 'shown', kernel.host.name)
    const earlier = doneSteps(running)
    const removeForeign = flags['remove-foreign']
    const doing = `doing step ${step.id}`
    let result = await whileWaiting(doing, view.plain, doRunning(running, step, first, before, { removeForeign }))
    // What was shown before is not shown again.
    const commands = result.commands.filter((one) => !known.has(toLine(one, '1')))
    const runs = result.runs.filter(({ output }) => output !== '')
    showResult(step, { ...result, commands, runs }, view)
    if (result.inTheWay.length > 0) {
      const isAsked = mayAsk && isOnTerminal()
      const mayRemove = showInTheWay(running, result, view, isAsked ? undefined : step)
      if (isAsked && mayRemove && (await askToRemove(view))) {
        const again = doRunning(running, step, [], await checkNow(running, view), { removeForeign: true })
        result = await whileWaiting(doing, view.plain, again)
        showResult(step, result, view)
      }
    }
    await showAdvance(running, earlier, result, view, false) // the answers can be seen
    if (!isDone(step, result.steps)) process.exitCode = 1
    return stepDocument(lab, step, result.status, kernel.host.name, result)
  }
}
