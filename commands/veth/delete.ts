import { interfaceName } from '../../src/operations/names.ts'
import { OperationCommand, type OperationsDocument } from '../../src/ui/terminal/operation-command.ts'
import { word } from '../../src/ui/terminal/word.ts'

export default class VethDelete extends OperationCommand {
  static override summary = 'Delete a veth pair, named by either end, wherever they are'
  static override examples = ['<%= config.bin %> veth delete veth-red-br']
  static override args = {
    name: word({ required: true, description: 'one of the two ends' }),
  }

  async run(): Promise<OperationsDocument> {
    const { args, flags } = await this.parse(VethDelete)
    // Only one end is known, which is enough: the kernel removes both.
    const name = interfaceName.parse(args.name)
    return this.undo({ kind: 'veth', params: { name, peer: name } }, flags)
  }
}
