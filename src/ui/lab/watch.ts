import { emitKeypressEvents } from 'node:readline'
import { createLogUpdate } from 'log-update'
import { bindAssertion } from '../../assertions/registry.ts'
import { type LabCheckResult, currentStep } from '../../lab/run/check.ts'
import { missingSteps } from '../../lab/run/steps.ts'
import { resetLab } from '../../lab/run/reset.ts'
import { checkRunning, doRunning, type RunningLab } from '../../lab/run/lab-in-progress.ts'
import { watchKernel } from '../../kernel/changes.ts'
import type { LabStep } from '../../lab/format/lab.ts'
import { drawn, type Printable, type Text } from '../terminal/drawn.ts'
import { formatError, show } from '../terminal/error.ts'
import { findingLine, showFindings } from './findings.ts'
import { noteGivingUp } from './exam.ts'
import { stepProgress } from '../../lab/run/progress.ts'
import { showHint } from './hint.ts'
import { showInTheWay, showSolution } from './solve.ts'
import { showPicture, showPurpose, showSteps, statusSymbol } from './show-lab.ts'
import { firstSentence, fitting, inRows, wrapped } from '../terminal/layout.ts'
import { clearScreen, type Log } from '../terminal/output.ts'
import { withSymbol, symbol, style } from '../terminal/style.ts'
import { draw, join, linesOf } from '../terminal/text.ts'
import type { View } from '../terminal/view.ts'

/** How often to check again without any event, in milliseconds. */
const SLOW = 5000
/** The same if the step has checks of something for which the kernel sends no events, such as neighbours that it learned. */
const UNREPORTED_DELAY = 400

const KEYS = ['h hint', 'c check', 's solve', 'n next', 'l list', 'r reset', 'q quit']

/** The state of the screen. */
interface Shown {
  running: RunningLab
  view: View
  checked: LabCheckResult
  /** The output of a key, shown in place of the picture, so that it fits. */
  message: Text[]
  /** A question that waits for a y. */
  question?: { ask: string; yes: () => Promise<void> } | undefined
}

/** Runs actions one after the other. */
interface Queue {
  add: (act: () => Promise<unknown>) => void
  /** How many are not done yet. */
  waiting: () => number
  /** Resolves when all are done. */
  drained: () => Promise<void>
}

/**
 * Shows a lab, its findings and the network, and updates them whenever the kernel changes, until q or Ctrl-C is pressed or
 * `signal` comes. Needs a terminal.
 */
export async function watchLab(running: RunningLab, view: View, signal: AbortSignal): Promise<void> {
  const screen = createLogUpdate(process.stdout)
  const shown: Shown = { running, view, checked: await checkRunning(running, false), message: [] }
  const refresh = () => screen(drawn(screenOf(shown)))
  const queue = newQueue(refresh, (error) => (shown.message = errorLines(error)))
  let last = performance.now()
  const check = async () => {
    shown.checked = await checkRunning(running, false)
    last = performance.now()
  }
  const watcher = watchKernel(running.kernel.host, () => {
    if (queue.waiting() < 2) queue.add(check) // one more check will see everything that changes during the current one
  })
  const slowly = setInterval(() => {
    const pause = hasUntold(shown.checked) ? UNREPORTED_DELAY : SLOW
    if (queue.waiting() === 0 && performance.now() - last >= pause) queue.add(check)
  }, UNREPORTED_DELAY)
  const redraw = () => {
    clearScreen() // the terminal has rewrapped what was drawn for another width
    screen.clear()
    refresh()
  }
  process.stdout.on('resize', redraw)
  refresh()
  try {
    await keysUntilEnd((key) => press(shown, key, queue, check), refresh, signal)
  } finally {
    clearInterval(slowly)
    watcher.stop()
    process.stdout.off('resize', redraw)
    await queue.drained()
    screen.done()
  }
}

function newQueue(drained: () => void, failed: (error: unknown) => void): Queue {
  let work: Promise<unknown> = Promise.resolve()
  let waiting = 0
  return {
    add: (act) => {
      waiting++
      work = work
        .then(act)
        .catch(failed)
        .finally(() => {
          waiting--
          drained()
        })
    },
    waiting: () => waiting,
    drained: () => work.then(() => undefined),
  }
}

function errorLines(error: unknown): Text[] {
  const what = show(error)
  return what ? linesOf(formatError(what)) : []
}

/** Passes each key to `pressed`, until q, Ctrl-C, Ctrl-D, the end of input or the signal. */
async function keysUntilEnd(pressed: (key: string) => void, refresh: () => void, signal: AbortSignal): Promise<void> {
  const { stdin } = process
  const { promise: ended, resolve: end } = Promise.withResolvers<void>()
  const onEnd = () => end()
  const onKey = (text: string | undefined, key: { name?: string; ctrl?: boolean }) => {
    if (text === 'q' || (key.ctrl === true && (key.name === 'c' || key.name === 'd'))) return end()
    pressed(text ?? '')
    refresh()
  }
  emitKeypressEvents(stdin)
  stdin.setRawMode(true)
  stdin.on('keypress', onKey).on('end', onEnd).resume()
  signal.addEventListener('abort', onEnd)
  try {
    await ended
  } finally {
    stdin.off('keypress', onKey).off('end', onEnd).setRawMode(false)
    stdin.pause()
  }
}

/** Handles a key, which may be the answer to a question. */
function press(shown: Shown, key: string, queue: Queue, check: () => Promise<void>): void {
  const { running, view, checked, question } = shown
  const step = currentStep(checked)
  shown.message = []
  shown.question = undefined
  if (question) {
    if (key === 'y') queue.add(question.yes)
    return
  }
  const collect: View = { ...view, log: (text) => shown.message.push(...linesOf(text)) }
  switch (key) {
    case 'h':
      queue.add(async () => {
        await check()
        const at = currentStep(shown.checked)
        if (!at) return
        await showHint(running, at, shown.checked, collect, 'press s')
      })
      break
    case 'c':
      queue.add(async () => {
        await check()
        // the other steps are in the row above
        showFindings(running.lab, shown.checked.steps, shown.checked.findings, collect, true)
      })
      break
    case 's':
      if (step) queue.add(() => askToSolve(shown, step, collect, check))
      break
    case 'n':
      if (step) showPurpose(running.lab, step, collect)
      break
    case 'l':
      showSteps(running.lab, checked.steps, collect, running.progress)
      break
    case 'r':
      shown.question = {
        ask: step ? `Rebuild the state at the start of step ${step.id}?` : 'Start the lab over?',
        yes: async () => {
          shown.checked = await resetLab(running, step)
        },
      }
      break
  }
}

async function askToSolve(shown: Shown, step: LabStep, view: View, check: () => Promise<void>): Promise<void> {
  const { running, checked } = shown
  const missing = missingSteps(running.lab, step, checked)
  const steps = [...missing, step]
  if (running.lab.exam && steps.some(({ id }) => !stepProgress(running.progress, id).gaveUp)) {
    shown.question = {
      ask: 'This is an exam. Give up on this step, which is recorded, and see its solution?',
      yes: async () => {
        await noteGivingUp(running, steps)
        await askToSolve(shown, step, view, check)
      },
    }
    return
  }
  await showSolution(running, step, missing, checked, view)
  shown.question = {
    ask: 'Run it?',
    yes: async () => {
      const result = await doRunning(running, step, missing, checked)
      showInTheWay(running, result, view, step)
      await check()
    },
  }
}

/** Whether the current step has checks that neither the snapshot nor the kernel's events cover. */
function hasUntold(checked: LabCheckResult): boolean {
  const step = currentStep(checked)
  return step?.checks.some((check) => bindAssertion(check).test.by === 'reading') === true
}

function screenOf({ running: { lab, kernel }, view, checked, message, question }: Shown): Text {
  const { steps, findings, now } = checked
  const { plain } = view
  const lines: Text[] = []
  const log: Log = (text) => lines.push(...linesOf(fitting(text, process.stdout)))
  log(
    draw`${style.title(lab.title)} ${style.quiet(kernel.host.kind === 'machine' ? 'on this machine' : `in the sandbox '${kernel.host.name}'`)}`,
  )
  const states = steps.map(({ step, status }) => draw`${plain ? status : statusSymbol[status]} ${step.id}`)
  log(inRows(states, plain ? ', ' : '  '))
  const next = currentStep(checked)
  log(
    next
      ? draw`\n${style.title(`Step ${lab.steps.indexOf(next) + 1}: ${next.title}`)}`
      : draw`\n${withSymbol(symbol.done, 'All steps are done.', plain)}`,
  )
  if (next) log(style.quiet(wrapped(firstSentence(next.text))))
  const wrong = findings.filter((finding) => finding.passed === false || finding.step === next?.id)
  for (const finding of wrong) log(findingLine(finding, plain))
  log('')
  if (message.length === 0) showPicture(undefined, now, next?.focus ?? [], { ...view, log })
  for (const line of below(message, lines.length)) log(line)
  log('')
  log(question ? `${question.ask} y: yes, any other key: no` : style.quiet(wrapped(KEYS.join(plain ? ', ' : ' · '))))
  return join(lines, '\n')
}

/** As many lines as fit below `above` lines, with a note if there are more. */
function below(message: readonly Text[], above: number): readonly Printable[] {
  const room = Math.max(5, (process.stdout.rows || 24) - above - 3)
  return message.length <= room ? message : [...message.slice(0, room - 1), '… (more than fits here)']
}
