import { Flags } from '@oclif/core'
import { refuseInside } from '../src/engine/open-host.ts'
import { runTrials, type Trial } from '../src/engine/doctor.ts'
import { installMissing } from '../src/engine/install.ts'
import { BaseCommand, type Document } from '../src/ui/terminal/base-command.ts'
import { askToInstall } from '../src/ui/terminal/install.ts'
import { typed } from '../src/ui/terminal/layout.ts'
import { symbol } from '../src/ui/terminal/style.ts'
import { draw } from '../src/ui/terminal/text.ts'
import { whileWaiting } from '../src/ui/terminal/waiting.ts'

interface DoctorDocument extends Document {
  ok: boolean
  trials: Trial[]
}

export default class Doctor extends BaseCommand {
  static override summary = 'Try out what cnilab needs on this machine, with a remedy for each failure'
  static override examples = ['<%= config.bin %> doctor', '<%= config.bin %> doctor --fix --yes']
  static override flags = {
    fix: Flags.boolean({ description: 'install missing programs' }),
    yes: Flags.boolean({ description: 'do not ask before installing', dependsOn: ['fix'] }),
  }

  async run(): Promise<DoctorDocument> {
    const { flags } = await this.parse(Doctor)
    refuseInside()
    if (flags.fix)
      await installMissing(flags.yes ? () => Promise.resolve(true) : askToInstall, (line) => this.notice(line))
    const trials = await whileWaiting('trying out a sandbox', false, runTrials())
    for (const { what, ok, detail, fix } of trials) {
      this.log(draw`${ok ? symbol.done : symbol.failed} ${what}: ${detail}`)
      if (fix !== undefined) this.log(typed(fix))
    }
    const ok = trials.every((trial) => trial.ok)
    if (!ok) process.exitCode = 3
    return { schema: 'cnilab/doctor/v1', ok, trials }
  }
}
