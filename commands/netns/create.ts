import { parseOperation } from '../../src/operations/registry.ts'
import { OperationCommand, type OperationsDocument } from '../../src/ui/terminal/operation-command.ts'
import { word } from '../../src/ui/terminal/word.ts'

export default class NetnsCreate extends OperationCommand {
  static override summary = 'Step 1: create a network namespace'
  static override description = 'A network namespace is a private network stack: the network half of a container.'
  static override examples = ['<%= config.bin %> netns create red', '<%= config.bin %> netns create red --dry-run']
  static override args = {
    name: word({ required: true, description: 'name of the namespace' }),
  }

  async run(): Promise<OperationsDocument> {
    const { args, flags } = await this.parse(NetnsCreate)
    return this.perform([parseOperation('netns', { name: args.name })], flags)
  }
}
