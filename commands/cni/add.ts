import { planAdd } from '../../src/cni/runtime/runtime.ts'
import {
  attachmentFlags,
  type CniDocument,
  CniRuntimeCommand,
  netnsArgument,
  networkArgument,
} from '../../src/ui/cni/command.ts'

export default class CniAdd extends CniRuntimeCommand {
  static override summary = 'Add a container to a network by its CNI plugins'
  static override description =
    "Prints the CNI result. If a plugin fails, all of them are called with DEL. The network mynet needs no configuration. cnitool's environment variables are read, too."
  static override examples = [
    '<%= config.bin %> netns create red && <%= config.bin %> cni add mynet red',
    '<%= config.bin %> cni add mynet red --trace',
    '<%= config.bin %> cni add mynet red --conf-dir ./net.d --cid web-1 --ifname eth1 --dry-run',
  ]
  static override args = { network: networkArgument, netns: netnsArgument }
  static override flags = attachmentFlags

  async run(): Promise<CniDocument> {
    const { args, flags } = await this.parse(CniAdd)
    return this.perform('ADD', args, flags, planAdd)
  }
}
