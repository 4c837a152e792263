import { resolve } from 'node:path'
import { Flags } from '@oclif/core'
import { install, type InstallResult } from '../../src/cni/install/install.ts'
import { uninstall, type UninstallResult } from '../../src/cni/install/uninstall.ts'
import { refuseInside } from '../../src/engine/open-host.ts'
import { CnilabError } from '../../src/errors.ts'
import { BaseCommand, type Document } from '../../src/ui/terminal/base-command.ts'
import { interruptible } from '../../src/ui/terminal/interruptible.ts'
import { installedText, uninstalledText } from '../../src/ui/cni/install.ts'

type InstallDocument = Document & (InstallResult | UninstallResult)

export default class CniInstall extends BaseCommand {
  static override summary = 'Install the CNI plugins on this machine as standalone programs'
  static override description =
    "Compiles the plugins into one executable that needs neither cnilab nor Node, and puts it into a folder under the name of each type. Acts on this machine, not in a sandbox; /opt/cni/bin needs sudo. A plugin that is not cnilab's is never replaced without --force. Needs Bun (npm's package bun)."
  static override examples = [
    'sudo <%= config.bin %> cni install',
    '<%= config.bin %> cni install --bin-dir ~/cni',
    '<%= config.bin %> cni install --bin-dir ~/cni --uninstall',
  ]
  static override flags = {
    'bin-dir': Flags.string({ description: 'plugin folder', default: '/opt/cni/bin', helpValue: 'DIR' }),
    force: Flags.boolean({ description: 'replace plugins of these names that others installed; no copy is kept' }),
    uninstall: Flags.boolean({ description: "remove cnilab's plugins, and nothing else", exclusive: ['force'] }),
  }

  async run(): Promise<InstallDocument> {
    const { flags } = await this.parse(CniInstall)
    if (flags['bin-dir'] === '') throw new CnilabError('usage', '--bin-dir needs the name of a folder')
    refuseInside()
    const folder = resolve(flags['bin-dir'])
    if (flags.uninstall) {
      const done = await uninstall(folder)
      this.log(uninstalledText(done))
      return { schema: 'cnilab/cni-uninstall/v1', ...done }
    }
    const done = await interruptible((signal) => install(folder, flags.force, signal))
    this.log(installedText(done))
    return { schema: 'cnilab/cni-install/v1', ...done }
  }
}
