import type { Text } from '../terminal/drawn.ts'
import { fitted, indented } from '../terminal/layout.ts'
import type { Log } from '../terminal/output.ts'
import { style } from '../terminal/style.ts'
import { draw } from '../terminal/text.ts'

/** The parts of what explains a step, drawn, but with lines that are not broken yet. */
export interface StepText {
  heading: string
  text: Text
  /** What each operation does, and why. */
  explanations: string[]
  /** Ready to paste. */
  commands: string[]
}

/** Shows what a step is for and, unless the learner is to find that out, what it would run. */
export function showStepText({ heading, text, explanations, commands }: StepText, log: Log, withCommands = true): void {
  log(style.title(heading))
  log(fitted(text))
  if (explanations.length === 0) return
  log('')
  for (const explanation of explanations) log(indented(explanation))
  if (withCommands) showLines(commands, log)
}

/** Command lines, as they are typed. */
export function showLines(lines: readonly string[], log: Log): void {
  log('')
  if (lines.length === 0) return
  for (const line of lines) log(draw`  $ ${style.command(line)}`)
  log('')
}
