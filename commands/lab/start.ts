import { Flags } from '@oclif/core'
import { loadLab } from '../../src/lab/run/load.ts'
import { openHost } from '../../src/engine/open-host.ts'
import { resumeLab } from '../../src/lab/run/reset.ts'
import { isNamed, requireLab, startLab } from '../../src/lab/run/lab-in-progress.ts'
import { CnilabError } from '../../src/errors.ts'
import { kernelOf } from '../../src/kernel/kernel.ts'
import { BaseCommand, changeFlags } from '../../src/ui/terminal/base-command.ts'
import { plainFlag } from '../../src/ui/terminal/flags.ts'
import { showStart } from '../../src/ui/lab/lab-intro.ts'
import { type StatusDocument, statusDocument } from '../../src/ui/lab/step-document.ts'
import { viewOf } from '../../src/ui/terminal/view.ts'
import { word } from '../../src/ui/terminal/word.ts'
import { checkNow } from '../../src/ui/lab/checking.ts'
import { OPENING, whileWaiting } from '../../src/ui/terminal/waiting.ts'

/** What is being waited for while a lab's start is made. */
const PREPARING = 'preparing the network'

export default class LabStart extends BaseCommand {
  static override summary = 'Start a lab to do by yourself: check, hint, solve, reset, stop'
  static override description =
    "Prepares the lab's initial state in the sandbox that --sandbox names, and shows the first step."
  static override examples = [
    '<%= config.bin %> lab start eight-steps',
    '<%= config.bin %> lab start by-hand --sandbox exam',
    '<%= config.bin %> lab start --resume',
  ]
  static override baseFlags = changeFlags
  static override args = { lab: word({ description: 'name of a lab, or a path to a file' }) }
  static override flags = {
    set: Flags.string({ description: 'set a parameter: key=value', multiple: true, multipleNonGreedy: true }),
    resume: Flags.boolean({ description: 'continue the lab that is in progress here', exclusive: ['set'] }),
    plain: plainFlag,
  }

  async run(): Promise<StatusDocument> {
    const { args, flags } = await this.parse(LabStart)
    if (args.lab === undefined && !flags.resume)
      throw new CnilabError('usage', 'which lab?', { fix: 'cnilab lab list names them; --resume continues one' })
    // Make no sandbox for a lab that does not exist.
    if (args.lab !== undefined && !flags.resume) await loadLab(args.lab, flags.set)
    const { host, state } = await whileWaiting(OPENING, flags.plain, openHost(flags))
    if (state === 'created') this.notice(`sandbox '${host.name}' started · cnilab clean removes it`)
    const kernel = kernelOf(host)
    const view = viewOf(host, flags.plain, (text) => this.log(text))
    const running = flags.resume
      ? await requireLab(kernel)
      : await whileWaiting(PREPARING, flags.plain, startLab(kernel, args.lab ?? '', flags.set ?? []))
    if (args.lab !== undefined && flags.resume && !isNamed(running, args.lab))
      throw new CnilabError('state', `the lab in progress here is ${running.lab.id}`, {
        fix: `leave ${args.lab} out, or end it with cnilab lab stop${view.flags}`,
      })
    if (flags.resume) await whileWaiting(PREPARING, flags.plain, resumeLab(running))
    const { steps, now } = await checkNow(running, view)
    showStart(running.lab, steps, now, view)
    return statusDocument(running, steps)
  }
}
