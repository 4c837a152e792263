import { planDel } from '../../src/cni/runtime/runtime.ts'
import {
  attachmentFlags,
  type CniDocument,
  CniRuntimeCommand,
  netnsArgument,
  networkArgument,
} from '../../src/ui/cni/command.ts'

export default class CniDel extends CniRuntimeCommand {
  static override summary = 'Remove a container from a network by its CNI plugins'
  static override description =
    'Prints nothing. All plugins are called, even after one has failed; the cached result is then kept, so that you can try again.'
  static override examples = ['<%= config.bin %> cni del mynet red']
  static override args = { network: networkArgument, netns: netnsArgument }
  static override flags = attachmentFlags

  async run(): Promise<CniDocument> {
    const { args, flags } = await this.parse(CniDel)
    return this.perform('DEL', args, flags, planDel)
  }
}
