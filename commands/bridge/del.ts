import { Flags } from '@oclif/core'
import { detachContainer, planDetach } from '../../src/cni/teacher/bridge-container.ts'
import { toLine } from '../../src/plan/command-line.ts'
import { addedFlags, ContainerCommand, containerArgs } from '../../src/ui/cni/container-command.ts'
import { changeFlags } from '../../src/ui/terminal/base-command.ts'
import { commandLines, typed } from '../../src/ui/terminal/layout.ts'
import { symbol, withSymbol, style } from '../../src/ui/terminal/style.ts'
import { whileWaiting } from '../../src/ui/terminal/waiting.ts'

export default class BridgeDel extends ContainerCommand {
  static override summary = 'Detach a container from its bridge, and remove its address and rules'
  static override description =
    'The last container takes the bridge and the masquerading of its network with it. It succeeds even if nothing is left to remove, or the namespace is gone.'
  static override examples = ['<%= config.bin %> bridge del 2e34dcf34 red']
  static override args = containerArgs
  static override baseFlags = {
    ...addedFlags,
    force: changeFlags.force,
    'dry-run': Flags.boolean({ description: 'print the commands and run nothing', helpGroup: 'GLOBAL' }),
  }

  async run(): Promise<undefined> {
    const parsed = await this.parse(BridgeDel)
    const { kernel, job: given } = await this.open(this.read(parsed), parsed, 'del')
    const job = await this.readAdded(kernel, given, parsed)
    const isDry = parsed.flags['dry-run']
    const { commands, foreign } = await whileWaiting(
      'detaching the container',
      parsed.flags.plain,
      (isDry ? planDetach : detachContainer)(kernel, job),
    )
    const what = `container ${job.call.containerId} is detached from the network ${job.network.name}`
    const { plain } = parsed.flags
    if (commands.length === 0) this.log(withSymbol(symbol.already, `Nothing to do: ${what}`, plain))
    else if (!isDry) this.log(withSymbol(symbol.done, `Done: ${what}`, plain))
    for (const command of commands) {
      const line = toLine(command, '1')
      this.log(isDry ? style.command(commandLines(line, 0)) : typed(line))
    }
    for (const table of foreign) this.notice(`left alone: ${table}`)
    return undefined
  }

  /** Prints nothing, like CNI's DEL. */
  protected override logJson(document: unknown): void {
    if (document !== undefined) super.logJson(document)
  }
}
