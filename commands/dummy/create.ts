import { Flags } from '@oclif/core'
import { parseOperation } from '../../src/operations/registry.ts'
import { OperationCommand, type OperationsDocument } from '../../src/ui/terminal/operation-command.ts'
import { word } from '../../src/ui/terminal/word.ts'

export default class DummyCreate extends OperationCommand {
  static override summary = 'Create a dummy interface, which leads nowhere'
  static override description =
    'It drops every packet that it sends. An address on it stays up whatever happens to cables, and it can be the parent of other interfaces.'
  static override examples = ['<%= config.bin %> dummy create dummy0', '<%= config.bin %> dummy create d0 --netns red']
  static override args = { name: word({ required: true, description: 'name of the interface' }) }
  static override flags = {
    netns: Flags.string({ description: 'namespace to create it in; by default, the host' }),
  }

  async run(): Promise<OperationsDocument> {
    const { args, flags } = await this.parse(DummyCreate)
    return this.perform([parseOperation('dummy', { name: args.name, netns: flags.netns })], flags)
  }
}
