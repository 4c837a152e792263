import { currentStep } from '../../src/lab/run/check.ts'
import { findStep } from '../../src/lab/run/steps.ts'
import type { Finding } from '../../src/plan/finding.ts'
import type { Document } from '../../src/ui/terminal/base-command.ts'
import { doneSteps, isOnTerminal, showAdvance } from '../../src/ui/lab/advance.ts'
import { showFindings } from '../../src/ui/lab/findings.ts'
import { plainFlag, stepArgument } from '../../src/ui/terminal/flags.ts'
import { LabCommand } from '../../src/ui/lab/lab-command.ts'
import { checkNow } from '../../src/ui/lab/checking.ts'

interface CheckDocument extends Document {
  lab: string
  ok: boolean
  findings: Finding[]
}

export default class LabCheck extends LabCommand {
  static override summary = 'Check the running lab, or one step of it, in the kernel'
  static override description =
    'Shows what was expected, what was found, and why it matters. Checks that depend on a failed one are skipped, so that one mistake is one red line. Exits with 1 if a check failed.'
  static override examples = ['<%= config.bin %> lab check', '<%= config.bin %> lab check ip --json']
  static override args = { step: stepArgument('the step to check') }
  static override flags = { plain: plainFlag }

  async run(): Promise<CheckDocument> {
    const { args, flags } = await this.parse(LabCheck)
    const { running, view } = await this.running(flags)
    const { lab } = running
    const step = args.step === undefined ? undefined : findStep(lab, args.step)
    const earlier = doneSteps(running)
    const checked = await checkNow(running, view, step)
    const findings = checked.findings.filter((finding) => step === undefined || finding.step === step.id)
    showFindings(lab, checked.steps, findings, view)
    const isDone = checked.steps.every((one) => one.step !== step || one.status === 'done')
    const ok = isDone && findings.every(({ passed }) => passed !== false)
    if (step && !isDone && !findings.some(({ passed }) => passed === false)) {
      const next = currentStep(checked)
      this.log(`Step ${step.id} cannot be judged yet${next ? `: step ${next.id} (${next.title}) comes first` : ''}`)
    }
    await showAdvance(running, earlier, checked, view, isOnTerminal() && !this.jsonEnabled())
    if (!ok) process.exitCode = 1
    return { schema: 'cnilab/lab-check/v1', lab: lab.id, ok, findings }
  }
}
