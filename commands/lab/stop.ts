import { findHost } from '../../src/engine/open-host.ts'
import { stopLab } from '../../src/lab/run/reset.ts'
import { CnilabError } from '../../src/errors.ts'
import { readProgress } from '../../src/lab/run/progress.ts'
import { MACHINE } from '../../src/kernel/host.ts'
import { BaseCommand, type Document, changeFlags } from '../../src/ui/terminal/base-command.ts'
import { plainFlag } from '../../src/ui/terminal/flags.ts'
import { symbol, withSymbol } from '../../src/ui/terminal/style.ts'
import { whileWaiting } from '../../src/ui/terminal/waiting.ts'

interface StopDocument extends Document {
  lab: string
  ok: boolean
  left: string[]
}

export default class LabStop extends BaseCommand {
  static override summary = 'End the running lab, and remove its network and your progress'
  static override examples = ['<%= config.bin %> lab stop']
  static override baseFlags = changeFlags
  static override flags = { plain: plainFlag }

  async run(): Promise<StopDocument> {
    const { flags } = await this.parse(LabStop)
    const host = findHost(flags)
    const place = host ?? { name: flags.host ? MACHINE.name : flags.sandbox }
    const progress = readProgress(place)
    if (!progress) throw new CnilabError('state', 'no lab is running here', { fix: 'cnilab lab list' })
    const left = await whileWaiting('removing the network', flags.plain, stopLab(host, place.name))
    if (left.length === 0)
      this.log(withSymbol(symbol.done, `Lab ${progress.lab} ended: nothing is left of it`, flags.plain))
    for (const what of left) this.log(withSymbol(symbol.failed, `still there: ${what}`, flags.plain))
    if (left.length > 0) process.exitCode = 1
    return { schema: 'cnilab/lab-stop/v1', lab: progress.lab, ok: left.length === 0, left }
  }
}
