import { Flags } from '@oclif/core'
import { isIpv6 } from '../src/ip-arithmetic.ts'
import { parseOperation } from '../src/operations/registry.ts'
import { FORWARDING } from '../src/operations/sysctl.ts'
import { OperationCommand, type OperationsDocument } from '../src/ui/terminal/operation-command.ts'
import { word } from '../src/ui/terminal/word.ts'

export default class Masquerade extends OperationCommand {
  static override summary = 'Step 8: enable NAT for a subnet, and forwarding'
  static override description =
    'It also turns on forwarding. --delete turns that off again if cnilab turned it on and nothing else masquerades.'
  static override examples = [
    '<%= config.bin %> masquerade 10.22.0.0/16',
    '<%= config.bin %> masquerade 10.22.0.0/16 --delete',
  ]
  static override args = {
    subnet: word({ required: true, description: "the subnet whose packets leave with the host's address" }),
  }
  static override flags = {
    delete: Flags.boolean({ description: 'disable it again' }),
  }

  async run(): Promise<OperationsDocument> {
    const { args, flags } = await this.parse(Masquerade)
    const operation = parseOperation('masquerade', { subnet: args.subnet })
    const key = FORWARDING[isIpv6(args.subnet) ? 'inet6' : 'inet']
    return flags.delete
      ? this.undo(operation, flags)
      : this.perform([parseOperation('sysctl', { key, value: '1' }), operation], flags)
  }
}
