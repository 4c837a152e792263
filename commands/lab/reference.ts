import { CnilabError } from '../../src/errors.ts'
import { type ReferenceEntry, reference } from '../../src/lab/format/reference.ts'
import { BaseCommand, type Document } from '../../src/ui/terminal/base-command.ts'
import { word } from '../../src/ui/terminal/word.ts'
import { showEntry, showKinds } from '../../src/ui/lab/reference.ts'

interface ReferenceDocument extends Document {
  operations: readonly ReferenceEntry[]
  checks: readonly ReferenceEntry[]
}

export default class LabReference extends BaseCommand {
  static override summary = 'Print the operations and checks that a lab can use, with their parameters'
  static override examples = ['<%= config.bin %> lab reference', '<%= config.bin %> lab reference bridge']
  static override args = { kind: word({ description: 'a kind of operation or check' }) }

  async run(): Promise<ReferenceDocument> {
    const { args } = await this.parse(LabReference)
    const log = this.log.bind(this)
    const all = reference()
    if (args.kind === undefined) {
      showKinds('Operations', all.operations, log)
      log('')
      showKinds('Checks', all.checks, log)
      log('\nThe parameters of one: cnilab lab reference KIND')
      return { schema: 'cnilab/lab-reference/v1', ...all }
    }
    const isIt = ({ kind }: ReferenceEntry) => kind === args.kind
    const [operations, checks] = [all.operations.filter(isIt), all.checks.filter(isIt)]
    if (operations.length + checks.length === 0)
      throw new CnilabError('usage', `there is no operation or check '${args.kind}'`, {
        fix: 'cnilab lab reference lists them all',
      })
    for (const one of operations) showEntry('operation', one, log)
    for (const one of checks) showEntry('check', one, log)
    return { schema: 'cnilab/lab-reference/v1', operations, checks }
  }
}
