import { parseOperation } from '../../src/operations/registry.ts'
import { OperationCommand, type OperationsDocument } from '../../src/ui/operation-command.ts'
import { word } from '../../src/ui/word.ts'

export default class BridgeCreate extends OperationCommand {
  static override summary = 'Step 2: create a bridge'
  static override description = 'A bridge is a virtual switch: containers are plugged into it.'
  static override examples = ['<%= config.bin %> bridge create cni0']
  static override args = {
    name: word({ required: true, description: 'name of the bridge' }),
  }

  async run(): Promise<OperationsDocument> {
    const { args, flags } = await this.parse(BridgeCreate)
    return this.perform([parseOperation('bridge', { name: args.name })], flags)
  }
}
