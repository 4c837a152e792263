import type { Runnable, RunnableStep } from '../../lab/format/lab.ts'
import { derive, type Derived } from '../../operations/registry.ts'
import { programLine, toLine } from '../../plan/command-line.ts'
import { toScript } from '../../plan/script.ts'
import type { Document } from '../terminal/base-command.ts'
import type { Printable } from '../terminal/drawn.ts'
import { indented } from '../terminal/layout.ts'
import { markdown } from '../terminal/markdown.ts'
import type { Log } from '../terminal/output.ts'
import { style } from '../terminal/style.ts'
import { draw } from '../terminal/text.ts'

/** What `lab run --dry-run --json` prints: every step with its commands, as lines that can be pasted into a shell. */
export interface LabPlan extends Document {
  lab: string
  steps: { id: string; title: string; text: string; commands: string[] }[]
}

/** Prints what a lab would run: just the commands, a shell script, or with explanations. */
export function printPlan(lab: Runnable, flags: { script: boolean; explain: boolean }, log: Log): LabPlan {
  const steps = partsOf(lab).map(({ id, title, text, operations, run = [] }) => {
    const derived = operations.map(derive)
    return { id, title, text, derived, run, commands: derived.flatMap((operation) => operation.apply) }
  })
  if (flags.script) log(toScript(lab.title, steps).trimEnd())
  else
    for (const { title, text, derived, commands, run } of steps) {
      if (flags.explain) {
        log(draw`${style.title(title)}\n${markdown(text, false)}`)
        for (const line of explanations(text, derived)) log(indented(line, 2))
      } else for (const line of [...commands.map((command) => toLine(command, '1')), ...run.map(programLine)]) log(line)
    }
  return {
    schema: 'cnilab/lab-plan/v1',
    lab: lab.id,
    steps: steps.map(({ id, title, text, commands }) => ({
      id,
      title,
      text,
      commands: commands.map((command) => toLine(command, '1')),
    })),
  }
}

/** How many operations of a step to explain: in a lab with many containers, the others are alike. */
const MOST = 6

/** What each operation does, and why, unless the text has just said so. */
function explanations(text: string, derived: readonly Derived[]): Printable[] {
  const said = new Set([text])
  const lines = derived.slice(0, MOST).map(({ explain: { what, why } }) => {
    const isNew = !said.has(why)
    said.add(why)
    return isNew ? draw`${what}. ${style.quiet(why)}` : `${what}.`
  })
  return derived.length > MOST ? [...lines, `… and ${derived.length - MOST} more`] : lines
}

/** The starting state, if the lab has one, and its steps. */
export function partsOf({ start = [], steps }: Pick<Runnable, 'start' | 'steps'>): RunnableStep[] {
  const title = 'The starting state'
  const text = 'What exists when the lab begins.'
  return [...(start.length === 0 ? [] : [{ id: 'start', title, text, operations: start }]), ...steps]
}
