import { Flags } from '@oclif/core'
import { PARENT_PLACES } from '../../src/operations/made-link.ts'
import { parseOperation } from '../../src/operations/registry.ts'
import { OperationCommand, type OperationsDocument } from '../../src/ui/terminal/operation-command.ts'
import { word } from '../../src/ui/terminal/word.ts'

export default class VlanCreate extends OperationCommand {
  static override summary = 'Create the interface of one VLAN on another interface'
  static override description =
    'Its frames travel through its parent with the tag of the VLAN, which keeps them apart from those of other VLANs.'
  static override examples = [
    '<%= config.bin %> vlan create eth0.10 --parent eth0 --id 10',
    '<%= config.bin %> vlan create eth0 --parent eth0 --parent-in host --id 10 --netns red',
  ]
  static override args = { name: word({ required: true, description: 'name of the interface' }) }
  static override flags = {
    parent: Flags.string({ required: true, description: 'the interface that carries the VLAN' }),
    'parent-in': Flags.string({
      options: [...PARENT_PLACES],
      default: 'netns',
      description: 'where that is: on the host, or in the same namespace',
    }),
    id: Flags.string({ required: true, description: 'number of the VLAN, from 1 to 4094' }),
    netns: Flags.string({ description: 'namespace to create it in; by default, the host' }),
  }

  async run(): Promise<OperationsDocument> {
    const { args, flags } = await this.parse(VlanCreate)
    const { parent, 'parent-in': parentIn, id, netns } = flags
    return this.perform([parseOperation('vlan', { name: args.name, parent, parentIn, vlan: id, netns })], flags)
  }
}
