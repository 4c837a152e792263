import { Listr } from 'listr2'
import { CnilabError } from '../errors.ts'
import type { LabEvents, StepReport } from '../engine/run-lab.ts'
import type { LabStep } from '../lab/lab.ts'
import type { Finding } from '../plan/finding.ts'
import { duration, mark, style } from './style.ts'

/** More commands than this of one step are summed up. */
const SHOWN = 6

/** How a finding is shown in a line. */
export function findingLine({ passed, what, expected, actual }: Finding): string {
  const sign = passed === true ? mark.done : passed === false ? mark.failed : mark.skipped
  return `${sign} ${what}: ${passed === false ? `expected ${expected}, but ${actual}` : actual}`
}

/** Draws a lab as it runs: one listr2 task for each step. With `pause`, it asks before each step but the first. */
export function drawLab(count: number, pause: boolean): LabEvents {
  let number = 0
  let finish: { end: (report: StepReport) => void; drawn: Promise<void> } | undefined
  let checks: Finding[] = []
  return {
    stepStarts: async (step, report) => {
      const paused = pause && number > 0
      if (paused) await askToGoOn()
      number++
      checks = []
      finish = drawStep(`${number}/${count} ${step.title}`, step, report, () => checks)
      return paused
    },
    checked: (finding) => {
      checks.push(finding)
    },
    stepEnds: async (_step, report) => {
      finish?.end(report)
      await finish?.drawn
      finish = undefined
    },
  }
}

function drawStep(title: string, step: LabStep, report: StepReport, checks: () => readonly Finding[]) {
  let end: (report: StepReport) => void = () => undefined
  const ended = new Promise<StepReport>((resolve) => (end = resolve))
  const commands = [
    ...report.commands.slice(0, SHOWN).map((command) => style.command(`$ ${command}`)),
    ...(report.commands.length > SHOWN ? [style.quiet(`… and ${report.commands.length - SHOWN} more like these`)] : []),
  ]
  const list = new Listr(
    [
      {
        title,
        rendererOptions: { outputBar: Infinity, persistentOutput: true },
        task: async (_context, task) => {
          task.output = style.quiet(step.text.trim())
          for (const command of commands) task.output = command
          const { status, ms, findings } = await ended
          const failures = findings.filter((finding) => finding.passed === false)
          for (const finding of [...failures, ...checks()]) task.output = findingLine(finding)
          task.title = `${title} ${style.quiet(status === 'already' ? '(already there)' : status === 'pending' ? '(stopped)' : `(${duration(ms)})`)}`
          if (status === 'failed' || status === 'pending') throw new Error(title)
        },
      },
    ],
    {
      registerSignalListeners: false,
      exitOnError: false,
      collectErrors: false,
      fallbackRenderer: 'simple',
      rendererOptions: { showErrorMessage: false },
    },
  )
  return { end, drawn: list.run().then(() => undefined) }
}

async function askToGoOn(): Promise<void> {
  const { input } = await import('@inquirer/prompts')
  try {
    const answer = await input({ message: 'Enter for the next step, q to stop and tear down' })
    if (answer.trim().toLowerCase() !== 'q') return
  } catch {
    // Ctrl-C or a closed terminal
  }
  throw new CnilabError('interrupted', 'stopped')
}
