import { planCheck } from '../../src/cni/runtime/runtime.ts'
import {
  attachmentFlags,
  type CniDocument,
  CniRuntimeCommand,
  netnsArgument,
  networkArgument,
} from '../../src/ui/cni/command.ts'

export default class CniCheck extends CniRuntimeCommand {
  static override summary = "Have the CNI plugins check that a container's network is as ADD left it"
  static override description = "Prints nothing if it is. The plugins get ADD's cached result."
  static override examples = ['<%= config.bin %> cni check mynet red']
  static override args = { network: networkArgument, netns: netnsArgument }
  static override flags = attachmentFlags

  async run(): Promise<CniDocument> {
    const { args, flags } = await this.parse(CniCheck)
    return this.perform('CHECK', args, flags, planCheck)
  }
}
