import { Flags } from '@oclif/core'
import { type Choices, type ConfigFile, readConfigs } from '../../src/cni/config/configs.ts'
import { containerdOf } from '../../src/cni/machine/containerd.ts'
import { binDirs, confDir } from '../../src/cni/config/folders.ts'
import { BaseCommand, type Document } from '../../src/ui/terminal/base-command.ts'
import { configsText } from '../../src/ui/cni/configs.ts'
import { binDirFlag } from '../../src/ui/cni/flags.ts'

interface ConfigsDocument extends Document {
  folder: string
  files: ConfigFile[]
  choices: Choices
}

export default class CniConfigs extends BaseCommand {
  static override summary = 'List and explain the network configurations, and which one each runtime uses'
  static override description =
    'Reads the folder as container runtimes do. They differ: containerd uses the first file or none, CRI-O skips broken ones, and libcni looks for a network by name.'
  static override examples = ['<%= config.bin %> cni configs', '<%= config.bin %> cni configs --conf-dir ./net.d']
  static override flags = {
    'conf-dir': Flags.string({
      helpValue: 'DIR',
      description: 'configuration folder [default: NETCONFPATH, or /etc/cni/net.d]',
    }),
    'bin-dir': binDirFlag,
  }

  async run(): Promise<ConfigsDocument> {
    const { flags } = await this.parse(CniConfigs)
    const folder = confDir(flags['conf-dir'])
    const { files, choices } = readConfigs(
      folder,
      binDirs(flags['bin-dir']),
      containerdOf(undefined, '')?.maxConfNum?.value,
    )
    this.log(
      files.length > 0
        ? configsText(files, choices)
        : `No configurations in ${folder}: runtimes have no network to attach containers to, and a Kubernetes node stays NotReady.`,
    )
    return { schema: 'cnilab/cni-configs/v1', folder, files, choices }
  }
}
