import { requireNetns } from '../src/engine/open-host.ts'
import { exec } from '../src/kernel/exec.ts'
import { startInternet } from '../src/kernel/packets.ts'
import { anyNetns } from '../src/operations/names.ts'
import { BaseCommand, bindFlag, hostFlags } from '../src/ui/terminal/base-command.ts'
import { shellWithPrompt } from '../src/ui/terminal/shell.ts'
import { word } from '../src/ui/terminal/word.ts'

export default class Shell extends BaseCommand {
  static override summary = 'Open a shell in the sandbox, or in one of its containers'
  static override description = 'In it, ip, nft, ping and cnilab itself act in this sandbox. Leave it with exit.'
  static override examples = ['<%= config.bin %> shell', '<%= config.bin %> shell red']
  static override enableJsonFlag = false
  static override baseFlags = hostFlags
  static override flags = { bind: bindFlag }
  static override args = { container: word({ description: 'namespace to open it in; by default, the host' }) }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(Shell)
    const netns = args.container === undefined ? undefined : anyNetns.parse(args.container)
    const host = await this.openHost(flags)
    await requireNetns(host, netns)
    await startInternet(host) // the commands typed may need it
    const { argv, env } = shellWithPrompt(host, netns === undefined ? host.name : `${host.name}/${netns}`)
    process.exitCode = await exec(host, netns, argv, { env })
  }
}
