import { Flags } from '@oclif/core'
import { loadLab } from '../src/lab/run/load.ts'
import { findStep } from '../src/lab/run/steps.ts'
import { beginLab, labOf, runningLab, type RunningLab } from '../src/lab/run/lab-in-progress.ts'
import { CnilabError } from '../src/errors.ts'
import { MACHINE } from '../src/kernel/host.ts'
import { type Kernel, kernelOf } from '../src/kernel/kernel.ts'
import { BaseCommand, changeFlags } from '../src/ui/terminal/base-command.ts'
import { plainFlag } from '../src/ui/terminal/flags.ts'
import type { Log } from '../src/ui/terminal/output.ts'
import { type StepDocument, stepDocument } from '../src/ui/lab/step-document.ts'
import { mapOfSteps, takeStep, takeStepByHand, undoLastStep } from '../src/ui/lab/take-step.ts'
import { giveUpFlag, noteGivingUp, requireGivingUp } from '../src/ui/lab/exam.ts'
import { showPurpose, showStep } from '../src/ui/lab/show-lab.ts'
import { showStepCommands } from '../src/ui/lab/solve.ts'
import { viewOf } from '../src/ui/terminal/view.ts'
import { word } from '../src/ui/terminal/word.ts'

/** The lab to start if none is running. */
const FIRST_LAB = 'eight-steps'

export default class Step extends BaseCommand {
  static override summary =
    'Do the steps of the running lab (by default, eight-steps) one at a time; without a step, show a map of them'
  static override description =
    'Does one step and shows what it is for, the command, what changed in the kernel, and the network so far. It finds out from the kernel what is done already, by anyone.'
  static override examples = [
    '<%= config.bin %> step',
    '<%= config.bin %> step veth',
    '<%= config.bin %> step 3 --show',
    '<%= config.bin %> step attach-netns --with-missing',
    '<%= config.bin %> step --undo',
  ]
  static override baseFlags = changeFlags
  static override args = {
    step: word({
      description: 'netns, bridge, veth, attach-netns, attach-bridge, ip, up, masquerade, or its number',
    }),
  }
  static override flags = {
    show: Flags.boolean({ description: 'explain it, and run nothing' }),
    'by-hand': Flags.boolean({
      description: 'type the command yourself, in a shell of the sandbox',
      exclusive: ['show'],
    }),
    'with-missing': Flags.boolean({ description: 'also do the steps that must come first' }),
    'give-up': giveUpFlag,
    undo: Flags.boolean({ description: 'undo the last step' }),
    plain: plainFlag,
  }

  async run(): Promise<StepDocument> {
    const { args, flags } = await this.parse(Step)
    const log: Log = (text) => this.log(text)
    const [needless] = (['show', 'by-hand', 'with-missing'] as const).filter((flag) => flags[flag])
    if (flags.undo && needless) throw new CnilabError('usage', `--undo and --${needless} do not go together`)
    if (args.step === undefined && needless)
      throw new CnilabError('usage', `--${needless} goes with a step, for example: cnilab step veth --${needless}`)
    if (args.step !== undefined && flags.undo)
      throw new CnilabError('usage', '--undo undoes the last step: name none', { fix: 'cnilab step --undo' })
    if (flags['by-hand'] && !process.stdin.isTTY)
      throw new CnilabError('usage', '--by-hand needs a terminal', {
        fix: 'leave it out to have the step done for you',
      })
    const lab = await labOf({ name: flags.host ? MACHINE.name : flags.sandbox }, FIRST_LAB)
    const named = args.step === undefined ? undefined : findStep(lab, args.step)
    if (named && !flags['by-hand']) requireGivingUp(lab, flags['give-up'])
    if (named && flags.show && !lab.exam) {
      showStep(lab, named, { plain: flags.plain, log })
      return stepDocument(lab, named, 'shown')
    }
    const host = await this.openHost(flags)
    const kernel = kernelOf(host)
    const view = viewOf(host, flags.plain, log)
    const running = (await runningLab(kernel)) ?? (await this.begin(kernel, view.flags))
    // In a sandbox's shell, the running lab may not be the one of the sandbox that --sandbox names.
    const step = args.step === undefined ? undefined : findStep(running.lab, args.step)
    if (flags.undo) return undoLastStep(running, view)
    if (!step) return mapOfSteps(running, view)
    if (!flags['by-hand']) await noteGivingUp(running, [step])
    if (flags.show) {
      showPurpose(running.lab, step, view)
      showStepCommands(step, view)
      return stepDocument(running.lab, step, 'shown')
    }
    return flags['by-hand']
      ? takeStepByHand(running, step, view)
      : takeStep(running, step, flags['with-missing'] ? 'do' : this.jsonEnabled() ? 'refuse' : 'ask', view)
  }

  private async begin(kernel: Kernel, flags: string): Promise<RunningLab> {
    const running = beginLab(kernel, await loadLab(FIRST_LAB), FIRST_LAB, [])
    this.notice(`lab ${FIRST_LAB} started · cnilab lab stop${flags} ends it`)
    return running
  }
}
