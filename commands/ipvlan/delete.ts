import { Flags } from '@oclif/core'
import { parseOperation } from '../../src/operations/registry.ts'
import { OperationCommand, type OperationsDocument } from '../../src/ui/terminal/operation-command.ts'
import { word } from '../../src/ui/terminal/word.ts'

export default class IpvlanDelete extends OperationCommand {
  static override summary = 'Delete an ipvlan interface'
  static override examples = ['<%= config.bin %> ipvlan delete eth0 --netns red']
  static override args = { name: word({ required: true, description: 'name of the interface' }) }
  static override flags = { netns: Flags.string({ description: 'namespace that it is in; by default, the host' }) }

  async run(): Promise<OperationsDocument> {
    const { args, flags } = await this.parse(IpvlanDelete)
    const { name } = args
    // Deleting it takes only its name, whatever its parent is.
    const operation = parseOperation('ipvlan', { name, parent: name, netns: flags.netns })
    return this.undo(operation, flags)
  }
}
