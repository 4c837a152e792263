import { Flags } from '@oclif/core'
import { parseOperation } from '../../src/operations/registry.ts'
import { OperationCommand, type OperationsDocument } from '../../src/ui/terminal/operation-command.ts'
import { word } from '../../src/ui/terminal/word.ts'

export default class DummyDelete extends OperationCommand {
  static override summary = 'Delete a dummy interface'
  static override examples = ['<%= config.bin %> dummy delete dummy0']
  static override args = { name: word({ required: true, description: 'name of the interface' }) }
  static override flags = { netns: Flags.string({ description: 'namespace that it is in; by default, the host' }) }

  async run(): Promise<OperationsDocument> {
    const { args, flags } = await this.parse(DummyDelete)
    const { name } = args
    return this.undo(parseOperation('dummy', { name, netns: flags.netns }), flags)
  }
}
