import { refuseInside } from '../../src/engine/open-host.ts'
import { CnilabError } from '../../src/errors.ts'
import { endProgress } from '../../src/journal/progress.ts'
import { findSandbox } from '../../src/sandbox/open.ts'
import { removeSandbox } from '../../src/sandbox/remove.ts'
import { BaseCommand, type Document } from '../../src/ui/base-command.ts'
import { mark } from '../../src/ui/style.ts'
import { draw } from '../../src/ui/text.ts'
import { word } from '../../src/ui/word.ts'

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
    await removeSandbox(sandbox)
    endProgress({ name })
    this.log(draw`${mark.done} Removed sandbox '${name}'`)
    return { schema: 'cnilab/deleted/v1', deleted: [name] }
  }
}
