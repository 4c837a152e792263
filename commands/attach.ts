import { Flags } from '@oclif/core'
import { CnilabError } from '../src/errors.ts'
import { parseOperation } from '../src/operations/registry.ts'
import { OperationCommand, type OperationsDocument } from '../src/ui/terminal/operation-command.ts'
import { word } from '../src/ui/terminal/word.ts'

export default class Attach extends OperationCommand {
  static override summary = 'Steps 4 and 5: attach an interface to a namespace or to a bridge'
  static override description =
    'With --netns, the interface moves into the namespace; with --bridge, it becomes a port of the bridge.'
  static override examples = [
    '<%= config.bin %> attach veth-red --netns red --name eth0',
    '<%= config.bin %> attach veth-red-br --bridge cni0',
    '<%= config.bin %> attach veth-red-br --bridge cni0 --undo',
  ]
  static override args = {
    ifname: word({ required: true, description: 'the interface, one end of a veth pair' }),
  }
  static override flags = {
    netns: Flags.string({ description: 'move it into this namespace' }),
    name: Flags.string({ description: 'its name there, usually eth0', dependsOn: ['netns'] }),
    bridge: Flags.string({ description: 'make it a port of this bridge' }),
    undo: Flags.boolean({ description: 'detach it again' }),
  }

  async run(): Promise<OperationsDocument> {
    const { args, flags } = await this.parse(Attach)
    const { netns, name, bridge, undo } = flags
    if ((netns === undefined) === (bridge === undefined))
      throw new CnilabError(
        'usage',
        'an interface is attached either to a namespace or to a bridge: give one of --netns and --bridge',
        {
          fix: 'for example: cnilab attach veth-red --netns red',
        },
      )
    const operation =
      netns === undefined
        ? parseOperation('attach-bridge', { ifname: args.ifname, bridge })
        : parseOperation('attach-netns', { ifname: args.ifname, netns, name })
    return undo ? this.undo(operation, flags) : this.perform([operation], flags)
  }
}
