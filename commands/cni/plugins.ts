import { binDirs, present } from '../../src/cni/config/folders.ts'
import { listPlugins, type PluginFile } from '../../src/cni/programs/list.ts'
import { BaseCommand, type Document } from '../../src/ui/terminal/base-command.ts'
import { binDirFlag } from '../../src/ui/cni/flags.ts'
import { pluginsText } from '../../src/ui/cni/plugins.ts'

interface PluginsDocument extends Document {
  folders: readonly string[]
  plugins: PluginFile[]
}

export default class CniPlugins extends BaseCommand {
  static override summary = 'List the CNI plugins on this machine, the versions they support and who made them'
  static override description =
    'Asks each executable in the plugin folders for its versions, and nothing else. If several have the same name, runtimes use the one in the first folder.'
  static override examples = ['<%= config.bin %> cni plugins', '<%= config.bin %> cni plugins --bin-dir /opt/cni/bin']
  static override flags = { 'bin-dir': binDirFlag }

  async run(): Promise<PluginsDocument> {
    const { flags } = await this.parse(CniPlugins)
    const folders = binDirs(flags['bin-dir'])
    const plugins = await listPlugins(folders)
    const where = present(folders)
    this.log(
      plugins.length > 0
        ? pluginsText(plugins)
        : `No plugins: ${where.length === 0 ? `there is no folder ${folders.join(' or ')}` : `${where.join(', ')} is empty`}.\nDebian and Ubuntu have them in the package containernetworking-plugins.`,
    )
    return { schema: 'cnilab/cni-plugins/v1', folders, plugins }
  }
}
