import { DEFAULT_BIN_DIRS, DEFAULT_CONF_DIR } from '../../src/cni/config/folders.ts'
import { MESOS_ENDED, RKT_ENDED } from '../../src/cni/machine/ended.ts'
import { FLAGS_GONE } from '../../src/cni/machine/kubelet.ts'
import { findRuntimes } from '../../src/cni/machine/runtimes.ts'
import { type RuntimeSummary, withFolders } from '../../src/cni/machine/summary.ts'
import { quote } from '../../src/plan/command-line.ts'
import { BaseCommand, type Document } from '../../src/ui/terminal/base-command.ts'
import { runtimesText } from '../../src/ui/cni/runtimes.ts'
import { typed, wrapped } from '../../src/ui/terminal/layout.ts'
import { join } from '../../src/ui/terminal/text.ts'

interface RuntimesDocument extends Document {
  runtimes: RuntimeSummary[]
}

export default class CniRuntimes extends BaseCommand {
  static override hiddenAliases = ['cni:kubelet']
  static override summary = 'Find the CNI settings of a running kubelet or container runtime'
  static override description =
    'Looks on this machine, not in a sandbox, for kubelet, containerd, CRI-O, cri-dockerd and Docker, and for what rkt and Mesos left; reads their flags and files, and shows where their configurations and plugins are, and which setting says so. Changes nothing. Files that only root may read need sudo.'
  static override examples = ['<%= config.bin %> cni runtimes', '<%= config.bin %> cni runtimes --json']

  async run(): Promise<RuntimesDocument> {
    await this.parse(CniRuntimes)
    const runtimes = findRuntimes().map(withFolders)
    if (runtimes.length > 0) this.log(runtimesText(runtimes))
    else {
      this.log('No kubelet, containerd, CRI-O or Docker runs on this machine, and rkt and Mesos left nothing.\n')
      this.log(`Where they look by default:
  configurations  ${DEFAULT_CONF_DIR}
  plugins         ${DEFAULT_BIN_DIRS[0]} (Debian's package: ${DEFAULT_BIN_DIRS[1]})\n`)
      for (const words of [FLAGS_GONE, RKT_ENDED, MESOS_ENDED]) this.log(wrapped(`${words}.`))
    }
    this.log(join(['\nNext:', ...next(runtimes).map((command) => typed(command))], '\n'))
    return { schema: 'cnilab/cni-kubelet/v1', runtimes }
  }
}

/** The commands that look into the folders of the first runtime that names some; those of one in a container are not ours. */
function next(runtimes: readonly RuntimeSummary[]): string[] {
  const { confDir, binDirs } = runtimes.find((one) => one.confDir && one.root === '') ?? {}
  const conf = confDir && confDir.value !== DEFAULT_CONF_DIR ? ` --conf-dir ${quote(confDir.value)}` : ''
  const bins = (binDirs?.value ?? []).filter((folder) => !DEFAULT_BIN_DIRS.includes(folder))
  return [
    `cnilab cni configs${conf}`,
    `cnilab cni plugins${bins.map((folder) => ` --bin-dir ${quote(folder)}`).join('')}`,
  ]
}
