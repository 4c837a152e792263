import type { Text } from '../terminal/drawn.ts'
import { commandLines, fitted, indented } from '../terminal/layout.ts'
import type { Log } from '../terminal/output.ts'
import { style } from '../terminal/style.ts'
import { draw } from '../terminal/text.ts'

/** The description of a step, drawn, but without line breaks yet. */
export interface StepText {
  heading: string
  text: Text
  /** What each operation does, and why. */
  explanations: string[]
  /** Lines that can be pasted into a shell. */
  commands: string[]
}

/** Shows what a step is for and, unless the learner has to find that out, what it would run. */
export function showStepText({ heading, text, explanations, commands }: StepText, log: Log): void {
  log(style.title(heading))
  log(fitted(text))
  if (explanations.length === 0) return
  log('')
  for (const explanation of explanations) log(indented(explanation))
  showLines(commands, log)
}

/** Shows command lines, as one would type them. */
export function showLines(lines: readonly string[], log: Log): void {
  log('')
  if (lines.length === 0) return
  for (const line of lines) log(draw`  $ ${style.command(commandLines(line))}`)
  log('')
}
