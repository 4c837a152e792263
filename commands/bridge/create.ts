import { Flags } from '@oclif/core'
import { CnilabError } from '../../src/errors.ts'
import { parseOperation } from '../../src/operations/registry.ts'
import { quote } from '../../src/plan/command-line.ts'
import { OperationCommand, type OperationsDocument } from '../../src/ui/terminal/operation-command.ts'
import { word } from '../../src/ui/terminal/word.ts'

export default class BridgeCreate extends OperationCommand {
  static override summary = 'Step 2: create a bridge'
  static override description = 'A bridge is a virtual switch: containers are plugged into it.'
  static override examples = ['<%= config.bin %> bridge create cni0']
  static override args = {
    name: word({ required: true, description: 'name of the bridge' }),
    netns: word({ hidden: true }),
  }

  static override flags = {
    netns: Flags.string({ description: 'namespace to create it in; by default, the host' }),
  }

  async run(): Promise<OperationsDocument> {
    const { args, flags } = await this.parse(BridgeCreate)
    if (args.netns !== undefined)
      throw new CnilabError('usage', 'bridge create takes the name of one bridge', {
        fix: `cnilab bridge add ${quote(args.name)} ${quote(args.netns)} attaches the container ${args.name} to a bridge`,
      })
    return this.perform([parseOperation('bridge', { name: args.name, netns: flags.netns })], flags)
  }
}
