import { Flags } from '@oclif/core'
import { parseOperation } from '../../src/operations/registry.ts'
import { OperationCommand, type OperationsDocument } from '../../src/ui/terminal/operation-command.ts'
import { word } from '../../src/ui/terminal/word.ts'

export default class IpAssign extends OperationCommand {
  static override summary = 'Step 6: give an interface an address'
  static override description = "The kernel adds a route to the address's subnet by itself."
  static override examples = [
    '<%= config.bin %> ip assign 10.22.0.2/16 eth0 --netns red',
    '<%= config.bin %> ip assign 10.22.0.1/16 cni0',
    '<%= config.bin %> ip assign 10.22.0.1/16 cni0 --undo',
  ]
  static override args = {
    address: word({ required: true, description: 'address with prefix' }),
    ifname: word({ required: true, description: 'the interface' }),
  }
  static override flags = {
    netns: Flags.string({ description: 'namespace of the interface; by default, the host' }),
    undo: Flags.boolean({ description: 'remove it again' }),
  }

  async run(): Promise<OperationsDocument> {
    const { args, flags } = await this.parse(IpAssign)
    const operation = parseOperation('address', { address: args.address, ifname: args.ifname, netns: flags.netns })
    return flags.undo ? this.undo(operation, flags) : this.perform([operation], flags)
  }
}
