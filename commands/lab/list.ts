import { shippedLabs } from '../../src/lab/run/load.ts'
import { BaseCommand, type Document } from '../../src/ui/terminal/base-command.ts'
import { table } from '../../src/ui/terminal/table.ts'

interface LabsDocument extends Document {
  labs: { id: string; title: string; steps: number }[]
}

export default class LabList extends BaseCommand {
  static override summary = 'List the labs, in the order to do them'
  static override examples = ['<%= config.bin %> lab list']

  async run(): Promise<LabsDocument> {
    await this.parse(LabList)
    const labs = (await shippedLabs()).map(({ id, title, steps }) => ({ id, title, steps: steps.length }))
    this.log(
      table(
        ['LAB', 'STEPS', 'TITLE'],
        labs.map(({ id, steps, title }) => [id, String(steps), title]),
      ),
    )
    return { schema: 'cnilab/labs/v1', labs }
  }
}
