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
export function drawLab(count: number, pause: boolean, signal: AbortSignal): LabEvents {
  let number = 0
  let current: Drawn | undefined
  let checks: Finding[] = []
  return {
    stepStarts: async (step, report) => {
      const paused = pause && number > 0
      if (paused) await askToGoOn(signal)
      number++
      checks = []
      current = drawStep(`${number}/${count} ${step.title}`, step, report, () => checks)
      return paused
    },
    progressed: (done, total) => {
      if (total > SHOWN) current?.progressed(done / total)
    },
    checked: (finding) => {
      checks.push(finding)
    },
    stepEnds: async (_step, report) => {
      current?.end(report)
      await current?.drawn
      current = undefined
    },
  }
}

/** `███████─────────────  35%` */
function bar(share: number): string {
  const width = 20
  const full = Math.round(share * width)
  return `${'█'.repeat(full)}${style.quiet('─'.repeat(width - full))} ${String(Math.round(share * 100)).padStart(3)}%`
}

/** A step on the screen. */
interface Drawn {
  /** Draws a bar, on a terminal; `share` is 0 to 1. */
  progressed: (share: number) => void
  end: (report: StepReport) => void
  /** Resolves when all of it is on the screen. */
  drawn: Promise<void>
}

function drawStep(title: string, step: LabStep, report: StepReport, checks: () => readonly Finding[]): Drawn {
  let end: (report: StepReport) => void = () => undefined
  let progressed: (share: number) => void = () => undefined
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
          if (process.stdout.isTTY) progressed = (share) => (task.title = `${title} ${bar(share)}`)
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
  return { end, progressed: (share) => progressed(share), drawn: list.run().then(() => undefined) }
}

async function askToGoOn(signal: AbortSignal): Promise<void> {
  const { input } = await import('@inquirer/prompts')
  try {
    const answer = await input({ message: 'Enter for the next step, q to stop and tear down' }, { signal })
    if (answer.trim().toLowerCase() !== 'q') return
  } catch {
    // Ctrl-C or a closed terminal
  }
  throw new CnilabError('interrupted', 'stopped')
}
