import { emitKeypressEvents } from 'node:readline'
import { createLogUpdate } from 'log-update'
import { deriveAssertion } from '../assertions/registry.ts'
import type { Checked } from '../engine/check-lab.ts'
import { missingSteps } from '../engine/lab-steps.ts'
import { checkRunning, currentStep, note, resetLab, type RunningLab } from '../engine/running-lab.ts'
import { watchKernel } from '../kernel/changes.ts'
import type { LabStep } from '../lab/lab.ts'
import { describe } from '../state/diff.ts'
import { formatError, show } from './error.ts'
import { findingLine, showFindings } from './findings.ts'
import { showHint } from './hint.ts'
import { runSolution, showSolution } from './solve.ts'
import { showMap, showPicture, showPurpose } from './step-view.ts'
import { mark, marked, style } from './style.ts'
import { wrapped } from './text.ts'
import type { View } from './view.ts'

/** How often everything is looked at again although nothing was heard of a change, in milliseconds. */
const SLOW = 5000
/** The same where the step has checks of what the kernel does not tell of, such as neighbours that it learned. */
const UNTOLD = 400

const KEYS = 'h hint · c check · s solve · n next · l list · r reset · q quit'

/** What was asked for and waits for a y. */
interface Question {
  ask: string
  yes: () => Promise<void>
}

/**
 * Shows a lab, its findings and the network, and again whenever the kernel changes, until q or Ctrl-C is pressed or
 * `signal` comes. Needs a terminal.
 */
export async function watchLab(running: RunningLab, view: View, signal: AbortSignal): Promise<void> {
  const screen = createLogUpdate(process.stdout)
  const { promise: ended, resolve: end } = Promise.withResolvers<void>()
  let checked = await checkRunning(running, false)
  let seen = describe(checked.now).join('\n')
  let lastCheck = performance.now()
  let message: string[] = []
  let question: Question | undefined
  /** What runs, one at a time. */
  let work = Promise.resolve()
  let waiting = 0

  const draw = () => screen(screenOf(running, checked, message, question, view))
  const collect = (): View => ({ ...view, log: (line) => message.push(...line.split('\n')) })
  const enqueue = (act: () => Promise<void>) => {
    waiting++
    work = work
      .then(act)
      .catch((error: unknown) => {
        const shown = show(error)
        message = shown ? formatError(shown).trimEnd().split('\n') : []
      })
      .finally(() => {
        waiting--
        draw()
      })
  }
  const check = async () => {
    checked = await checkRunning(running, false)
    seen = describe(checked.now).join('\n')
    lastCheck = performance.now()
  }
  const changed = () => {
    if (waiting > 1) return // one more look is coming
    enqueue(async () => {
      const now = describe(await running.kernel.read()).join('\n')
      if (now !== seen) await check() // our own packets and reads change nothing that counts
    })
  }
  const askToSolve = (step: LabStep) => {
    const steps = [...missingSteps(running.lab, step, checked), step]
    showSolution(running, steps, collect())
    question = {
      ask: 'Run it?',
      yes: async () => {
        await runSolution(running, steps, checked)
        await check()
      },
    }
  }
  const press = (key: string) => {
    if (question) {
      const { yes } = question
      question = undefined
      message = []
      if (key === 'y') enqueue(yes)
      else draw()
      return
    }
    message = []
    const step = currentStep(checked)
    switch (key) {
      case 'h':
        enqueue(async () => {
          await check()
          const at = currentStep(checked)
          if (at) note(running, at, { hints: showHint(running, at, checked.findings, collect()) })
        })
        break
      case 'c':
        enqueue(async () => {
          await check()
          showFindings(running.lab, checked.steps, checked.findings, collect())
        })
        break
      case 's':
        if (step) askToSolve(step)
        break
      case 'n':
        if (step) showPurpose(running.lab, step, collect())
        break
      case 'l':
        showMap(running.lab, checked.steps, new Map(), collect(), running.progress)
        break
      case 'r':
        question = {
          ask: step ? `Rebuild the state at the start of step ${step.id}?` : 'Start the lab over?',
          yes: async () => {
            await resetLab(running, step)
            await check()
          },
        }
        break
      case 'q':
        end()
        return
    }
    draw()
  }
  const onKey = (text: string | undefined, key: { name?: string; ctrl?: boolean }) => {
    if (key.ctrl === true && (key.name === 'c' || key.name === 'd')) end()
    else press(text ?? '')
  }

  const stdin = process.stdin
  emitKeypressEvents(stdin)
  stdin.setRawMode(true)
  stdin.on('keypress', onKey).on('end', end).resume()
  process.stdout.on('resize', draw)
  signal.addEventListener('abort', () => end())
  const watcher = watchKernel(running.kernel.host, changed)
  const slowly = setInterval(() => {
    const pause = hasUntold(checked) ? UNTOLD : SLOW
    if (waiting === 0 && performance.now() - lastCheck >= pause) enqueue(check)
  }, UNTOLD)
  draw()
  try {
    await ended
  } finally {
    clearInterval(slowly)
    watcher.stop()
    process.stdout.off('resize', draw)
    stdin.off('keypress', onKey).off('end', end).setRawMode(false)
    stdin.pause()
    await work
    screen.done()
  }
}

/** Whether the step that the learner is at has checks of what neither the snapshot nor the kernel's events tell. */
function hasUntold(checked: Checked): boolean {
  const step = currentStep(checked)
  return step?.checks.some((check) => deriveAssertion(check).test.by === 'reading') === true
}

function screenOf(
  { lab, kernel }: RunningLab,
  checked: Checked,
  message: readonly string[],
  question: Question | undefined,
  view: View,
): string {
  const { steps, findings, now } = checked
  const lines: string[] = []
  const log = (line: string) => lines.push(...line.split('\n'))
  const { plain } = view
  const signs = { done: mark.done, next: style.warn('▸'), 'not yet': style.quiet('·') }
  const words = { done: 'done', next: 'next', 'not yet': 'not yet' }
  log(`${style.title(lab.title)} ${style.quiet(`in '${kernel.host.name}'`)}`)
  // Words stay with their signs.
  const states = steps.map(({ step, status }) => `${(plain ? words : signs)[status]}\u00a0${step.id}`)
  log(wrapped(states.join(plain ? ', ' : '  ')).replaceAll('\u00a0', ' '))
  const next = currentStep(checked)
  log(
    next
      ? `\n${style.title(`Step ${lab.steps.indexOf(next) + 1}: ${next.title}`)}`
      : `\n${marked(mark.done, 'All steps are done.', plain)}`,
  )
  const wrong = findings.filter((finding) => finding.passed === false || finding.step === next?.id)
  for (const finding of wrong) log(wrapped(findingLine(finding, plain)))
  log('')
  showPicture(undefined, now, next?.focus ?? [], { ...view, log })
  if (message.length > 0) log(`\n${message.join('\n')}`)
  log(question ? `\n${question.ask} y: yes, any other key: no` : `\n${style.quiet(KEYS)}`)
  return lines.join('\n')
}
