import { Flags } from '@oclif/core'
import { PARENT_PLACES } from '../../src/operations/made-link.ts'
import { IPVLAN_MODES } from '../../src/operations/ipvlan.ts'
import { parseOperation } from '../../src/operations/registry.ts'
import { OperationCommand, type OperationsDocument } from '../../src/ui/terminal/operation-command.ts'
import { word } from '../../src/ui/terminal/word.ts'

export default class IpvlanCreate extends OperationCommand {
  static override summary = "Create an ipvlan interface: it shares another interface's cable and MAC address"
  static override description =
    "It needs no bridge: its addresses of IP tell it apart from its parent. Created directly in a namespace, it is that container's network card."
  static override examples = [
    '<%= config.bin %> ipvlan create ipv0 --parent eth0',
    '<%= config.bin %> ipvlan create eth0 --parent eth0 --netns red --mode l3',
  ]
  static override args = { name: word({ required: true, description: 'name of the interface' }) }
  static override flags = {
    parent: Flags.string({ required: true, description: 'the interface that it shares' }),
    'parent-in': Flags.string({
      options: [...PARENT_PLACES],
      default: 'host',
      description: 'where that is: on the host, or in the same namespace',
    }),
    mode: Flags.string({
      options: [...IPVLAN_MODES],
      default: 'l2',
      description: 'whether it switches frames or routes packets',
    }),
    netns: Flags.string({ description: 'namespace to create it in; by default, the host' }),
  }

  async run(): Promise<OperationsDocument> {
    const { args, flags } = await this.parse(IpvlanCreate)
    const { parent, 'parent-in': parentIn, mode, netns } = flags
    return this.perform([parseOperation('ipvlan', { name: args.name, parent, parentIn, mode, netns })], flags)
  }
}
