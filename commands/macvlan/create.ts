import { Flags } from '@oclif/core'
import { PARENT_PLACES } from '../../src/operations/made-link.ts'
import { MACVLAN_MODES } from '../../src/operations/macvlan.ts'
import { parseOperation } from '../../src/operations/registry.ts'
import { OperationCommand, type OperationsDocument } from '../../src/ui/terminal/operation-command.ts'
import { word } from '../../src/ui/terminal/word.ts'

export default class MacvlanCreate extends OperationCommand {
  static override summary = "Create a macvlan interface: one more machine on another interface's cable"
  static override description =
    "It needs no bridge: it shares its parent's cable under a MAC address of its own. Created directly in a namespace, it is that container's network card."
  static override examples = [
    '<%= config.bin %> macvlan create mac0 --parent eth0',
    '<%= config.bin %> macvlan create eth0 --parent eth0 --netns red --mode private',
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
      options: [...MACVLAN_MODES],
      default: 'bridge',
      description: 'how interfaces with the same parent reach each other',
    }),
    netns: Flags.string({ description: 'namespace to create it in; by default, the host' }),
  }

  async run(): Promise<OperationsDocument> {
    const { args, flags } = await this.parse(MacvlanCreate)
    const { parent, 'parent-in': parentIn, mode, netns } = flags
    return this.perform([parseOperation('macvlan', { name: args.name, parent, parentIn, mode, netns })], flags)
  }
}
