import { parseOperation } from '../../src/operations/registry.ts'
import { OperationCommand, type OperationsDocument } from '../../src/ui/terminal/operation-command.ts'
import { word } from '../../src/ui/terminal/word.ts'

export default class VethPair extends OperationCommand {
  static override summary = 'Step 3: create a veth pair, a virtual cable'
  static override description = 'Both ends start on the host; attach them afterwards.'
  static override examples = ['<%= config.bin %> veth pair veth-red veth-red-br']
  static override args = {
    name: word({ required: true, description: 'one end' }),
    peer: word({ required: true, description: 'the other end' }),
  }

  async run(): Promise<OperationsDocument> {
    const { args, flags } = await this.parse(VethPair)
    return this.perform([parseOperation('veth', { name: args.name, peer: args.peer })], flags)
  }
}
