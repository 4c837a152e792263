import { Flags } from '@oclif/core'
import { MACVLAN_MODES } from '../../src/operations/macvlan.ts'
import { parseOperation } from '../../src/operations/registry.ts'
import { OperationCommand, type OperationsDocument } from '../../src/ui/terminal/operation-command.ts'
import { word } from '../../src/ui/terminal/word.ts'

export default class MacvlanCreate extends OperationCommand {
  static override summary = 'Create a macvlan interface: one more machine on the cable of another interface'
  static override description =
    'It needs no bridge: with a MAC address of its own it lies on its parent. Made in a namespace at once, it is the network card of that container.'
  static override examples = [
    '<%= config.bin %> macvlan create mac0 --parent eth0',
    '<%= config.bin %> macvlan create eth0 --parent eth0 --netns red --mode private',
  ]
  static override args = { name: word({ required: true, description: 'name of the interface' }) }
  static override flags = {
    parent: Flags.string({ required: true, description: 'the interface of the host that it lies on' }),
    mode: Flags.string({
      options: [...MACVLAN_MODES],
      default: 'bridge',
      description: 'how the interfaces on one parent see each other',
    }),
    netns: Flags.string({ description: 'the namespace that it is made in; the host without it' }),
  }

  async run(): Promise<OperationsDocument> {
    const { args, flags } = await this.parse(MacvlanCreate)
    const { parent, mode, netns } = flags
    return this.perform([parseOperation('macvlan', { name: args.name, parent, mode, netns })], flags)
  }
}
