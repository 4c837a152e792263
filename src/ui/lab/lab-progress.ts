import { Listr, ListrLogLevels } from 'listr2'
import type { LabEvents, StepReport } from '../../lab/run/automatic.ts'
import type { RunnableStep } from '../../lab/format/lab.ts'
import { programLine } from '../../plan/command-line.ts'
import { drawn, type Printable, type Text } from '../terminal/drawn.ts'
import { findingLine } from './findings.ts'
import { firstSentence, fitting, typed } from '../terminal/layout.ts'
import { duration, style } from '../terminal/style.ts'
import { draw } from '../terminal/text.ts'

/** The columns in which listr2 indents the lines of a step. */
const MARGIN = 4

/** How many commands of a step to show; the others are only counted. */
const SHOWN = 6

/** Draws a lab as it runs, with one listr2 task for each of `count` steps; `plain` without symbols. */
export function drawLab(count: number, plain: boolean, shown = SHOWN): LabEvents {
  let number = 0
  let current: Drawn | undefined
  let lines: Printable[] = []
  return {
    stepStarts: (step, report) => {
      number++
      lines = []
      current = drawStep(`${number}/${count} ${step.title}`, step, report, () => lines, { plain, shown })
    },
    progressed: (done, total) => {
      if (total > SHOWN) current?.progressed(done / total)
    },
    ran: ({ command, output }) => {
      lines.push(typed(programLine(command), 0, MARGIN), ...output.split(/\r?\n/).filter((line) => line !== ''))
    },
    checked: (finding) => {
      lines.push(findingLine(finding, plain))
    },
    stepEnds: async (_step, report) => {
      current?.end(report)
      await current?.drawn
      current = undefined
    },
  }
}

/** `███████─────────────  35%` */
function bar(share: number): Text {
  const width = 20
  const full = Math.round(share * width)
  return draw`${'█'.repeat(full)}${style.quiet('─'.repeat(width - full))} ${String(Math.round(share * 100)).padStart(3)}%`
}

/** Words in place of symbols, for screen readers. */
const WORDS = {
  [ListrLogLevels.STARTED]: 'begins:',
  [ListrLogLevels.OUTPUT]: ' ',
  [ListrLogLevels.COMPLETED]: 'done:',
  [ListrLogLevels.FAILED]: 'FAILED:',
}

/** A step on the screen. */
interface Drawn {
  /** Draws a bar, on a terminal; `share` is 0 to 1. */
  progressed: (share: number) => void
  end: (report: StepReport) => void
  /** Resolves when everything is on the screen. */
  drawn: Promise<void>
}

function drawStep(
  title: string,
  step: RunnableStep,
  report: StepReport,
  lines: () => readonly Printable[],
  { plain, shown }: { plain: boolean; shown: number },
): Drawn {
  let end: (report: StepReport) => void = () => undefined
  let progressed: (share: number) => void = () => undefined
  const ended = new Promise<StepReport>((resolve) => (end = resolve))
  const commands = [
    ...report.commands.slice(0, shown).map((command) => typed(command, 0, MARGIN)),
    ...(report.commands.length > shown ? [style.quiet(`… and ${report.commands.length - shown} more like these`)] : []),
  ]
  const list = new Listr(
    [
      {
        title: drawn(title),
        rendererOptions: { outputBar: Infinity, persistentOutput: true },
        task: async (_context, task) => {
          if (process.stdout.isTTY) progressed = (share) => (task.title = drawn(draw`${title} ${bar(share)}`))
          // listr2 would break commands without a backslash.
          const inside = { isTTY: process.stdout.isTTY, columns: process.stdout.columns - MARGIN }
          const show = (line: Printable) => (task.output = drawn(fitting(line, inside)))
          show(style.quiet(firstSentence(step.text)))
          for (const command of commands) show(command)
          const { status, ms, findings } = await ended
          const failures = findings.filter((finding) => finding.passed === false)
          for (const line of [...failures.map((finding) => findingLine(finding, plain)), ...lines()]) show(line)
          const note = status === 'already' ? 'already there' : status === 'pending' ? 'stopped' : duration(ms)
          task.title = drawn(draw`${title} ${style.quiet(`(${note})`)}`)
          if (status === 'failed' || status === 'pending') throw new Error(drawn(title))
        },
      },
    ],
    {
      registerSignalListeners: false,
      exitOnError: false,
      collectErrors: false,
      fallbackRenderer: 'simple',
      ...(plain ? { fallbackRendererCondition: true, fallbackRendererOptions: { icon: WORDS } } : {}),
      rendererOptions: { showErrorMessage: false },
    },
  )
  return { end, progressed: (share) => progressed(share), drawn: list.run().then(() => undefined) }
}
