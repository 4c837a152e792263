import { parseOperation } from '../../src/operations/registry.ts'
import { OperationCommand, type OperationsDocument } from '../../src/ui/terminal/operation-command.ts'
import { word } from '../../src/ui/terminal/word.ts'

export default class NetnsDelete extends OperationCommand {
  static override summary = 'Delete a network namespace and everything in it'
  static override examples = ['<%= config.bin %> netns delete red']
  static override args = {
    name: word({ required: true, description: 'name of the namespace' }),
  }

  async run(): Promise<OperationsDocument> {
    const { args, flags } = await this.parse(NetnsDelete)
    return this.undo(parseOperation('netns', { name: args.name }), flags)
  }
}
