import { Flags } from '@oclif/core'
import { forgetContainers } from '../src/cni/teacher/containers.ts'
import { exclusively } from '../src/journal/exclusively.ts'
import { machine, refuseInside } from '../src/engine/open-host.ts'
import { undoEntries } from '../src/engine/undo.ts'
import { CnilabError } from '../src/errors.ts'
import { readJournal } from '../src/journal/journal.ts'
import { endProgress } from '../src/lab/run/progress.ts'
import { kernelOf } from '../src/kernel/kernel.ts'
import { toLine } from '../src/plan/command-line.ts'
import { removeAll } from '../src/sandbox/remove.ts'
import { BaseCommand, type Document } from '../src/ui/terminal/base-command.ts'
import { commandLines } from '../src/ui/terminal/layout.ts'
import { symbol, style } from '../src/ui/terminal/style.ts'
import { draw, join } from '../src/ui/terminal/text.ts'
import { whileWaiting } from '../src/ui/terminal/waiting.ts'

interface CleanDocument extends Document {
  ok: true
  removed: string[]
  kept: string[]
  /** What others made under the name of something of ours that is gone. */
  foreign: string[]
}

export default class Clean extends BaseCommand {
  static override summary = 'Remove your sandboxes; with --host, what cnilab made on this machine'
  static override examples = ['<%= config.bin %> clean', 'sudo <%= config.bin %> clean --host']
  static override flags = {
    host: Flags.boolean({ description: "undo what this machine's journal lists; needs root" }),
    force: Flags.boolean({
      description: 'undo it even if that cuts the machine off from the network, or from your terminal',
      dependsOn: ['host'],
    }),
  }

  async run(): Promise<CleanDocument> {
    const { flags } = await this.parse(Clean)
    refuseInside()
    return flags.host ? this.cleanMachine(flags) : this.cleanSandboxes()
  }

  private async cleanSandboxes(): Promise<CleanDocument> {
    const removed = await whileWaiting('removing the sandboxes', false, removeAll())
    this.log(
      removed.length === 0
        ? 'nothing to remove'
        : join(
            removed.map((name) => draw`${symbol.done} Removed sandbox '${name}'`),
            '\n',
          ),
    )
    for (const name of removed) endProgress({ name }) // of the lab that ran in it
    return { schema: 'cnilab/clean/v1', ok: true, removed, kept: [], foreign: [] }
  }

  private async cleanMachine(flags: { force: boolean }): Promise<CleanDocument> {
    const host = machine(flags)
    const { commands, kept, foreign, forgotten, left } = await exclusively(host, async () => {
      const undone = await undoEntries(kernelOf(host), readJournal(host))
      const containers = await forgetContainers(host)
      return { ...undone, ...containers, left: [...undone.left, ...containers.left] }
    })
    endProgress(host)
    const removed = [...commands.map((command) => toLine(command, '1')), ...forgotten]
    if (removed.length + kept.length + foreign.length + left.length === 0) this.log('nothing to remove')
    for (const command of commands)
      this.log(draw`${symbol.done} ${style.command(commandLines(toLine(command, '1'), 2))}`)
    for (const what of forgotten) this.log(draw`${symbol.done} released: ${what}`)
    for (const what of kept) this.log(draw`${symbol.already} kept, still in use: ${what}`)
    for (const what of foreign) this.log(draw`${symbol.already} left alone, not ours: ${what}`)
    if (left.length > 0)
      throw new CnilabError('state', `could not undo: ${left.join('; ')}`, {
        fix: 'see what it is with ip -d link, put it back or remove it by hand, and run cnilab clean --host again',
      })
    return { schema: 'cnilab/clean/v1', ok: true, removed, kept, foreign }
  }
}
