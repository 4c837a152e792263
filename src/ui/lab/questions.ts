import { noteStep, requireRunning, type RunningLab } from '../../lab/run/lab-in-progress.ts'
import { stepProgress } from '../../lab/run/progress.ts'
import { runCommands } from '../../lab/run/steps.ts'
import type { LabStep, Question } from '../../lab/format/lab.ts'
import { markdown } from '../terminal/markdown.ts'
import { askChoice } from '../terminal/prompts.ts'
import { showRuns } from './show-lab.ts'
import { style } from '../terminal/style.ts'
import { draw } from '../terminal/text.ts'
import type { View } from '../terminal/view.ts'
import { whileWaiting } from '../terminal/waiting.ts'

/** Asks on a terminal the unanswered questions of a step: those before it, or after it. Returns false if the learner left. */
export async function askQuestions(
  running: RunningLab,
  step: LabStep,
  at: Question['at'],
  view: View,
  signal?: AbortSignal,
): Promise<boolean> {
  for (const [i, question] of step.questions.entries()) {
    const { answers } = stepProgress(running.progress, step.id)
    if (question.at !== at || answers[i] !== undefined) continue
    const right = await ask(running, question, view, signal)
    if (right === undefined) return false
    await noteStep(running, step, { answers: { ...stepProgress(running.progress, step.id).answers, [i]: right } })
  }
  return true
}

/** Asks a question, and lets the kernel show the answer. Returns whether the learner was right; undefined if they left. */
async function ask(
  running: RunningLab,
  question: Question,
  { log, plain }: View,
  signal?: AbortSignal,
): Promise<boolean | undefined> {
  log(draw`\n${markdown(`**Question:** ${question.ask}`, plain)}`)
  const choices = question.choices.map((name, value) => ({ name, value }))
  const chosen = await askChoice('Your answer', choices, { plain, ...(signal ? { signal } : {}) })
  if (chosen === undefined) return undefined
  if (question.try) {
    requireRunning(running)
    log('')
    showRuns(await whileWaiting('trying it out', plain, runCommands(running.kernel, [question.try])), log)
  }
  const isRight = chosen === question.answer
  const verdict = isRight ? style.good('Right.') : style.warn(`Not quite: ${question.choices[question.answer]}.`)
  log(draw`${verdict}\n${markdown(question.why, plain)}`)
  return isRight
}
