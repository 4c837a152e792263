import { Flags } from '@oclif/core'
import { parseOperation } from '../../src/operations/registry.ts'
import { OperationCommand, type OperationsDocument } from '../../src/ui/terminal/operation-command.ts'
import { word } from '../../src/ui/terminal/word.ts'

export default class RouteDelete extends OperationCommand {
  static override summary = 'Delete a route'
  static override examples = ['<%= config.bin %> route delete default --via 10.22.0.1 --netns red']
  static override args = {
    dst: word({ required: true, description: 'default, or a subnet' }),
  }
  static override flags = {
    via: Flags.string({ required: true, description: 'address of the gateway' }),
    netns: Flags.string({ description: 'namespace of the route; by default, the host' }),
  }

  async run(): Promise<OperationsDocument> {
    const { args, flags } = await this.parse(RouteDelete)
    const operation = parseOperation('route', { dst: args.dst, via: flags.via, netns: flags.netns })
    return this.undo(operation, flags)
  }
}
