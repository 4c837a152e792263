import { Flags } from '@oclif/core'
import { parseOperation } from '../../src/operations/registry.ts'
import { OperationCommand, type OperationsDocument } from '../../src/ui/terminal/operation-command.ts'
import { word } from '../../src/ui/terminal/word.ts'

export default class RouteAdd extends OperationCommand {
  static override summary = 'Add a route through a gateway (part of step 7)'
  static override description =
    "The interface towards the gateway must be up and have an address in the gateway's subnet."
  static override examples = ['<%= config.bin %> route add default --via 10.22.0.1 --netns red']
  static override args = {
    dst: word({ required: true, description: 'default, or a subnet' }),
  }
  static override flags = {
    via: Flags.string({ required: true, description: 'address of the gateway' }),
    netns: Flags.string({ description: 'namespace of the route; by default, the host' }),
  }

  async run(): Promise<OperationsDocument> {
    const { args, flags } = await this.parse(RouteAdd)
    return this.perform([parseOperation('route', { dst: args.dst, via: flags.via, netns: flags.netns })], flags)
  }
}
