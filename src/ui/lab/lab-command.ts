import { findHost } from '../../engine/open-host.ts'
import { requireLab, type RunningLab } from '../../lab/run/lab-in-progress.ts'
import { CnilabError } from '../../errors.ts'
import { readProgress } from '../../lab/run/progress.ts'
import { flagsFor, MACHINE } from '../../kernel/host.ts'
import { kernelOf } from '../../kernel/kernel.ts'
import { BaseCommand, hostFlags } from '../terminal/base-command.ts'
import { type View, viewOf } from '../terminal/view.ts'

/** A command about the running lab. It does not create a sandbox. */
export abstract class LabCommand extends BaseCommand {
  static override baseFlags = hostFlags

  /** The running lab, and its view. Throws CnilabError `state` if there is none, or if its sandbox is gone. */
  protected async running(flags: {
    host: boolean
    sandbox: string
    plain?: boolean
    force?: boolean
  }): Promise<{ running: RunningLab; view: View }> {
    const name = flags.host ? MACHINE.name : flags.sandbox
    const host = findHost(flags)
    if (!host) {
      const progress = readProgress({ name })
      const option = flagsFor({ ...MACHINE, kind: 'sandbox', name, inside: false })
      if (progress)
        throw new CnilabError('state', `the sandbox '${name}', in which the lab ${progress.lab} ran, is gone`, {
          fix: `cnilab lab start --resume${option} rebuilds it as far as you had come`,
        })
      throw new CnilabError('state', `no lab is running in the sandbox '${name}'`, {
        fix: `cnilab lab start eight-steps${option}; cnilab lab list names the others`,
      })
    }
    return {
      running: await requireLab(kernelOf(host)),
      view: viewOf(host, flags.plain ?? false, (text) => this.log(text)),
    }
  }
}
