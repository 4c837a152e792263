import { CnilabError } from '../../src/errors.ts'
import { plainFlag } from '../../src/ui/terminal/flags.ts'
import { LabCommand } from '../../src/ui/lab/lab-command.ts'

export default class LabWatch extends LabCommand {
  static override summary = 'Watch the running lab: check it again whenever the kernel changes'
  static override description = 'Keys: h hint, c check, s solve, n next step, l list of steps, r reset, q quit.'
  static override examples = ['<%= config.bin %> lab watch']
  static override enableJsonFlag = false
  static override flags = { plain: plainFlag }

  async run(): Promise<void> {
    const { flags } = await this.parse(LabWatch)
    if (!process.stdin.isTTY || !process.stdout.isTTY)
      throw new CnilabError('usage', 'lab watch needs a terminal', { fix: 'cnilab lab check, which also has --json' })
    const { running, view } = await this.running(flags)
    const interrupt = new AbortController()
    for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.once(signal, () => interrupt.abort())
    const { watchLab } = await import('../../src/ui/lab/watch.ts')
    await watchLab(running, view, interrupt.signal)
    if (interrupt.signal.aborted) process.exitCode = 130
  }
}
