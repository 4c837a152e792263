import { Flags } from '@oclif/core'
import { CnilabError } from '../src/errors.ts'
import { parseOperation } from '../src/operations/registry.ts'
import { OperationCommand, type OperationsDocument } from '../src/ui/terminal/operation-command.ts'
import { word } from '../src/ui/terminal/word.ts'

export default class Up extends OperationCommand {
  static override summary = 'Step 7: bring interfaces up'
  static override description = 'A route through an interface can be added only once it is up: cnilab route add'
  static override examples = [
    '<%= config.bin %> up cni0 veth-red-br',
    '<%= config.bin %> up lo eth0 --netns red',
    '<%= config.bin %> up eth0 --netns red --undo',
  ]
  static override strict = false
  static override args = { ifname: word({ required: true, description: 'the interface, or several' }) }
  static override flags = {
    netns: Flags.string({ description: 'namespace of the interfaces; by default, the host' }),
    undo: Flags.boolean({ description: 'bring it down again' }),
  }

  async run(): Promise<OperationsDocument> {
    const { argv, flags } = await this.parse(Up)
    const plan = argv.map((ifname) => parseOperation('up', { ifname, netns: flags.netns }))
    if (!flags.undo) return this.perform(plan, flags)
    const [operation, another] = plan
    if (!operation || another) throw new CnilabError('usage', '--undo takes one interface')
    return this.undo(operation, flags)
  }
}
