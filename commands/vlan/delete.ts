import { Flags } from '@oclif/core'
import { parseOperation } from '../../src/operations/registry.ts'
import { OperationCommand, type OperationsDocument } from '../../src/ui/terminal/operation-command.ts'
import { word } from '../../src/ui/terminal/word.ts'

export default class VlanDelete extends OperationCommand {
  static override summary = 'Delete the interface of a VLAN'
  static override examples = ['<%= config.bin %> vlan delete eth0.10 --parent eth0 --id 10']
  static override args = { name: word({ required: true, description: 'name of the interface' }) }
  static override flags = {
    parent: Flags.string({ required: true, description: 'the interface that carries the VLAN' }),
    id: Flags.string({ required: true, description: 'number of the VLAN' }),
    netns: Flags.string({ description: 'namespace that it is in; by default, the host' }),
  }

  async run(): Promise<OperationsDocument> {
    const { args, flags } = await this.parse(VlanDelete)
    const { parent, id, netns } = flags
    return this.undo(parseOperation('vlan', { name: args.name, parent, vlan: id, netns }), flags)
  }
}
