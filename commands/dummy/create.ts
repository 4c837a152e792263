import { Flags } from '@oclif/core'
import { parseOperation } from '../../src/operations/registry.ts'
import { OperationCommand, type OperationsDocument } from '../../src/ui/terminal/operation-command.ts'
import { word } from '../../src/ui/terminal/word.ts'

export default class DummyCreate extends OperationCommand {
  static override summary = 'Create a dummy interface, which leads nowhere'
  static override description =
    'It drops whatever is sent out. An address on it stays whatever becomes of cables, and other interfaces can lie on it.'
  static override examples = ['<%= config.bin %> dummy create dummy0', '<%= config.bin %> dummy create d0 --netns red']
  static override args = { name: word({ required: true, description: 'name of the interface' }) }
  static override flags = {
    netns: Flags.string({ description: 'the namespace that it is made in; the host without it' }),
  }

  async run(): Promise<OperationsDocument> {
    const { args, flags } = await this.parse(DummyCreate)
    return this.perform([parseOperation('dummy', { name: args.name, netns: flags.netns })], flags)
  }
}
