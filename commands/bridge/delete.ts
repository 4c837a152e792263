import { Flags } from '@oclif/core'
import { CnilabError } from '../../src/errors.ts'
import { parseOperation } from '../../src/operations/registry.ts'
import { quote } from '../../src/plan/command-line.ts'
import { OperationCommand, type OperationsDocument } from '../../src/ui/terminal/operation-command.ts'
import { word } from '../../src/ui/terminal/word.ts'

export default class BridgeDelete extends OperationCommand {
  static override summary = 'Delete a bridge that has no ports left'
  static override examples = ['<%= config.bin %> bridge delete cni0']
  static override args = {
    name: word({ required: true, description: 'name of the bridge' }),
    netns: word({ hidden: true }),
  }

  static override flags = {
    netns: Flags.string({ description: 'namespace that it is in; by default, the host' }),
  }

  async run(): Promise<OperationsDocument> {
    const { args, flags } = await this.parse(BridgeDelete)
    if (args.netns !== undefined)
      throw new CnilabError('usage', 'bridge delete takes the name of one bridge', {
        fix: `cnilab bridge del ${quote(args.name)} ${quote(args.netns)} detaches the container ${args.name} from its bridge`,
      })
    return this.undo(parseOperation('bridge', { name: args.name, netns: flags.netns }), flags)
  }
}
