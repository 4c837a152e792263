import { Flags } from '@oclif/core'
import { requireNetns } from '../src/engine/open-host.ts'
import { CnilabError } from '../src/errors.ts'
import { exec } from '../src/kernel/exec.ts'
import { startInternet } from '../src/kernel/packets.ts'
import { anyNetns } from '../src/operations/names.ts'
import { hasHidden } from '../src/visible.ts'
import { BaseCommand, bindFlag, hostFlags } from '../src/ui/terminal/base-command.ts'

export default class Exec extends BaseCommand {
  static override summary = 'Run a command in the sandbox, or in one of its namespaces'
  static override description = "Exits with the command's status: 128+n after signal n, 127 if it was not found."
  static override examples = [
    '<%= config.bin %> exec -- ip -br link',
    '<%= config.bin %> exec --netns red -- ping -c1 10.22.0.1',
  ]
  static override enableJsonFlag = false
  static override baseFlags = hostFlags
  static override flags = { bind: bindFlag, netns: Flags.string({ description: 'namespace to run it in' }) }

  async run(): Promise<void> {
    // oclif would reorder the words of the command, and take its flags for ours.
    const at = this.argv.indexOf('--')
    const command = at < 0 ? [] : this.argv.slice(at + 1)
    const { flags } = await this.parse(Exec, at < 0 ? this.argv : this.argv.slice(0, at))
    if (command.length === 0)
      throw new CnilabError('usage', 'no command given', { fix: 'for example: cnilab exec -- ip -br link' })
    const [program = ''] = command
    if (hasHidden(program))
      throw new CnilabError('usage', `'${program}' is not the name of a program: it contains invisible characters`)
    const netns = flags.netns === undefined ? undefined : anyNetns.parse(flags.netns)
    const host = await this.openHost(flags)
    await requireNetns(host, netns)
    await startInternet(host) // the command may need it
    process.exitCode = await exec(host, netns, command)
  }
}
