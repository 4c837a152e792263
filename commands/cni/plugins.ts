import { binDirs, present } from '../../src/cni/config/folders.ts'
import { knownPlugin } from '../../src/cni/config/known-plugins.ts'
import { listPlugins } from '../../src/cni/programs/list.ts'
import { BaseCommand, type Document } from '../../src/ui/terminal/base-command.ts'
import { binDirFlag } from '../../src/ui/cni/flags.ts'
import { type DescribedPlugin, pluginsText } from '../../src/ui/cni/plugins.ts'
import { whileWaiting } from '../../src/ui/terminal/waiting.ts'

interface PluginsDocument extends Document {
  folders: readonly string[]
  plugins: DescribedPlugin[]
}

export default class CniPlugins extends BaseCommand {
  static override summary =
    'List the CNI plugins on this machine: versions, who made them, what they are for, what replaces them'
  static override description =
    'Asks each executable in the plugin folders for its versions, and nothing else. Of each type it says what it is for, and who maintains it or that nobody does any more. If several have the same name, runtimes use the one in the first folder.'
  static override examples = ['<%= config.bin %> cni plugins', '<%= config.bin %> cni plugins --bin-dir /opt/cni/bin']
  static override flags = { 'bin-dir': binDirFlag }

  async run(): Promise<PluginsDocument> {
    const { flags } = await this.parse(CniPlugins)
    const folders = binDirs(flags['bin-dir'])
    const found = await whileWaiting('asking the plugins', false, listPlugins(folders))
    const plugins = found.map((one): DescribedPlugin => {
      const known = knownPlugin(one.type)
      return known ? { ...one, known } : one
    })
    const where = present(folders)
    this.log(
      plugins.length > 0
        ? pluginsText(plugins)
        : `No plugins: ${where.length === 0 ? `there is no folder ${folders.join(' or ')}` : `${where.join(', ')} is empty`}.\nDebian and Ubuntu have them in the package containernetworking-plugins.`,
    )
    return { schema: 'cnilab/cni-plugins/v1', folders, plugins }
  }
}
