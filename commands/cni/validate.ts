import { binDirs } from '../../src/cni/config/folders.ts'
import { validate, type Validation } from '../../src/cni/config/validate.ts'
import { BaseCommand, type Document } from '../../src/ui/terminal/base-command.ts'
import { binDirFlag } from '../../src/ui/cni/flags.ts'
import { validationText } from '../../src/ui/cni/validate.ts'
import { word } from '../../src/ui/terminal/word.ts'
import { whileWaiting } from '../../src/ui/terminal/waiting.ts'

interface ValidateDocument extends Document, Validation {
  ok: boolean
}

export default class CniValidate extends BaseCommand {
  static override summary = 'Find mistakes in a network configuration, or in a folder of them'
  static override description =
    'Shows the file, line and column of each mistake, its effect and how to fix it: broken JSON, unknown keys, wrong values, plugins that are missing or too old, overlapping subnets. Exits with 1 if there are errors, but not for warnings.'
  static override examples = [
    '<%= config.bin %> cni validate /etc/cni/net.d',
    '<%= config.bin %> cni validate 10-bridge.conf --json',
  ]
  static override args = { path: word({ required: true, description: 'file or folder' }) }
  static override flags = { 'bin-dir': binDirFlag }

  async run(): Promise<ValidateDocument> {
    const { args, flags } = await this.parse(CniValidate)
    const validation = await whileWaiting('asking the plugins', false, validate(args.path, binDirs(flags['bin-dir'])))
    const ok = validation.mistakes.every(({ severity }) => severity !== 'error')
    this.log(validationText(validation))
    if (!ok) process.exitCode = 1
    return { schema: 'cnilab/cni-validate/v1', ok, ...validation }
  }
}
