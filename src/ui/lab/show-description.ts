import type { Text } from '../terminal/drawn.ts'
import { fitted, indented, typed } from '../terminal/layout.ts'
import type { Log } from '../terminal/output.ts'
import { style } from '../terminal/style.ts'

/** The description of a step, drawn, but without line breaks yet. */
export interface StepText {
  heading: string
  text: Text
  /** What each operation does, and why. */
  explanations: string[]
  /** Lines that can be pasted into a shell. */
  commands: string[]
  /** What some of them are with iptables. */
  iptables: string[]
}

/** Shows what a step is for and, unless the learner has to find that out, what it would run. */
export function showStepText({ heading, text, explanations, commands, iptables }: StepText, log: Log): void {
  log(style.title(heading))
  log(fitted(text))
  if (explanations.length === 0) return
  log('')
  for (const explanation of explanations) log(indented(explanation))
  if (commands.length > 0) log('')
  for (const line of commands) log(typed(line))
  if (iptables.length > 0) log('')
  showIptables(iptables, log)
}

/** Shows what would do the same with iptables. */
export function showIptables(lines: readonly string[], log: Log): void {
  if (lines.length > 0) log(style.quiet('With iptables instead:'))
  for (const line of lines) log(typed(line))
}

/** Shows command lines, as one would type them. */
export function showLines(lines: readonly string[], log: Log): void {
  log('')
  if (lines.length === 0) return
  for (const line of lines) log(typed(line))
  log('')
}
