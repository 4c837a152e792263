import { Flags } from '@oclif/core'
import { loadLab } from '../src/engine/lab-files.ts'
import { findStep } from '../src/engine/lab-steps.ts'
import { CnilabError } from '../src/errors.ts'
import { flagsFor } from '../src/kernel/host.ts'
import { kernelOf } from '../src/kernel/kernel.ts'
import { BaseCommand, hostFlags } from '../src/ui/base-command.ts'
import { type StepDocument, stepDocument } from '../src/ui/step-document.ts'
import { mapOfSteps, takeStep, takeStepByHand, undoLastStep } from '../src/ui/step-run.ts'
import { showStep, type View } from '../src/ui/step-view.ts'
import { word } from '../src/ui/word.ts'

export default class Step extends BaseCommand {
  static override summary = 'The eight steps, one at a time; without a step, a map of them'
  static override description =
    'Does one step and shows what it is for, the command, what changed in the kernel, and the network so far. What is done already is read from the kernel, whoever did it.'
  static override examples = [
    '<%= config.bin %> step',
    '<%= config.bin %> step veth',
    '<%= config.bin %> step 3 --show',
    '<%= config.bin %> step attach-netns --with-missing',
    '<%= config.bin %> step --undo',
  ]
  static override baseFlags = hostFlags
  static override args = {
    step: word({
      description: 'netns, bridge, veth, attach-netns, attach-bridge, ip, up, masquerade, or its number',
    }),
  }
  static override flags = {
    show: Flags.boolean({ description: 'only explain it, and run nothing' }),
    'by-hand': Flags.boolean({
      description: 'type the command yourself, in a shell of the sandbox',
      exclusive: ['show'],
    }),
    'with-missing': Flags.boolean({ description: 'do the steps that must come first, too' }),
    undo: Flags.boolean({ description: 'take the last step back', exclusive: ['show', 'by-hand', 'with-missing'] }),
    plain: Flags.boolean({ description: 'draw without box characters, for screen readers' }),
  }

  async run(): Promise<StepDocument> {
    const { args, flags } = await this.parse(Step)
    const lab = loadLab('eight-steps')
    const log = (line: string) => this.log(line)
    const step = args.step === undefined ? undefined : findStep(lab, args.step)
    const [needless] = (['show', 'by-hand', 'with-missing'] as const).filter((flag) => flags[flag])
    if (!step && needless)
      throw new CnilabError('usage', `--${needless} goes with a step, for example: cnilab step veth --${needless}`)
    if (step && flags.undo)
      throw new CnilabError('usage', '--undo takes the last step back: name none', { fix: 'cnilab step --undo' })
    if (step && flags.show) {
      showStep(lab, step, { log })
      return stepDocument(lab, step, 'shown')
    }
    if (flags['by-hand'] && !process.stdin.isTTY)
      throw new CnilabError('usage', '--by-hand needs a terminal', {
        fix: 'leave it out to have the step done for you',
      })
    const host = await this.openHost(flags)
    const kernel = kernelOf(host)
    const view: View = { plain: flags.plain, flags: flagsFor(host), log }
    if (flags.undo) return undoLastStep(kernel, lab, view)
    if (!step) return mapOfSteps(kernel, lab, view)
    return flags['by-hand']
      ? takeStepByHand(kernel, lab, step, view)
      : takeStep(kernel, lab, step, flags['with-missing'], view)
  }
}
