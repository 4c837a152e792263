import { Flags } from '@oclif/core'
import { planGc } from '../../src/cni/runtime/gc.ts'
import { type CniDocument, CniRuntimeCommand, networkArgument } from '../../src/ui/cni/command.ts'

export default class CniGc extends CniRuntimeCommand {
  static override summary = 'Remove what containers that no longer exist left of a network'
  static override description =
    "Calls DEL for cached attachments whose namespace is gone. From cniVersion 1.1.0, the plugins then remove everything that belongs to no remaining attachment: with --host, that includes what other runtimes made in this network, unless their results are in libcni's cache or named with --keep."
  static override examples = ['<%= config.bin %> cni gc mynet', '<%= config.bin %> cni gc mynet --keep web-1/eth0']
  static override args = { network: networkArgument }
  static override flags = {
    keep: Flags.string({
      multiple: true,
      multipleNonGreedy: true,
      description: 'CID/IFNAME to keep; may be repeated',
    }),
  }

  async run(): Promise<CniDocument> {
    const { args, flags } = await this.parse(CniGc)
    return this.perform('GC', args, flags, planGc)
  }
}
