import { plainFlag } from '../../src/ui/terminal/flags.ts'
import { LabCommand } from '../../src/ui/lab/lab-command.ts'
import { type StatusDocument, statusDocument } from '../../src/ui/lab/step-document.ts'
import { showMap, showTask } from '../../src/ui/lab/show-lab.ts'
import { checkNow } from '../../src/ui/lab/checking.ts'

export default class LabStatus extends LabCommand {
  static override summary = 'Show your progress in the running lab'
  static override description = 'Finds out from the kernel which steps are done.'
  static override examples = ['<%= config.bin %> lab status']
  static override flags = { plain: plainFlag }

  async run(): Promise<StatusDocument> {
    const { flags } = await this.parse(LabStatus)
    const { running, view } = await this.running(flags)
    const { steps, now } = await checkNow(running, view)
    showMap(running.lab, steps, now, view, running.progress, true)
    showTask(running.lab, steps, view)
    return statusDocument(running, steps)
  }
}
