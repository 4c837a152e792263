import { refuseInside } from '../../src/engine/open-host.ts'
import { CnilabError } from '../../src/errors.ts'
import { endProgress } from '../../src/lab/run/progress.ts'
import { findSandbox } from '../../src/sandbox/open.ts'
import { removeSandbox } from '../../src/sandbox/remove.ts'
import { BaseCommand, type Document } from '../../src/ui/terminal/base-command.ts'
import { symbol } from '../../src/ui/terminal/style.ts'
import { draw } from '../../src/ui/terminal/text.ts'
import { whileWaiting } from '../../src/ui/terminal/waiting.ts'
import { word } from '../../src/ui/terminal/word.ts'

interface DeletedDocument extends Document {
  deleted: string[]
}

export default class SandboxDelete extends BaseCommand {
  static override summary = 'End a sandbox; the kernel removes everything in it'
  static override examples = ['<%= config.bin %> sandbox delete default']
  static override args = { name: word({ required: true, description: 'name of the sandbox' }) }

  async run(): Promise<DeletedDocument> {
    const {
      args: { name },
    } = await this.parse(SandboxDelete)
    refuseInside()
    const sandbox = findSandbox(name)
    if (!sandbox) throw new CnilabError('state', `there is no sandbox '${name}'`, { fix: 'cnilab sandbox list' })
    await whileWaiting('removing the sandbox', false, removeSandbox(sandbox))
    endProgress({ name })
    this.log(draw`${symbol.done} Removed sandbox '${name}'`)
    return { schema: 'cnilab/deleted/v1', deleted: [name] }
  }
}
