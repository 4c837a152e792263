import { planStatus } from '../../src/cni/runtime/runtime.ts'
import { type CniDocument, CniRuntimeCommand, networkArgument } from '../../src/ui/cni/command.ts'

export default class CniStatus extends CniRuntimeCommand {
  static override summary = "Ask a network's CNI plugins whether they could add a container now"
  static override description = 'Prints nothing if they could. It needs cniVersion 1.1.0.'
  static override examples = ['<%= config.bin %> cni status mynet --conf-dir ./net.d']
  static override args = { network: networkArgument }

  async run(): Promise<CniDocument> {
    const { args, flags } = await this.parse(CniStatus)
    return this.perform('STATUS', args, flags, planStatus)
  }
}
