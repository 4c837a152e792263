import type { Lab } from '../lab/lab.ts'
import { derive } from '../operations/registry.ts'
import { toLine } from '../plan/command-line.ts'
import { toScript } from '../plan/script.ts'
import type { Document } from './base-command.ts'
import { style } from './style.ts'

/** What `lab run --dry-run --json` prints: every step with its commands, ready to paste. */
export interface LabPlan extends Document {
  lab: string
  steps: { id: string; title: string; text: string; commands: string[] }[]
}

/** Prints what a lab would run: its commands, as a shell script, or explained. */
export function printPlan(
  lab: Lab,
  flags: { script: boolean; explain: boolean },
  log: (line: string) => void,
): LabPlan {
  const steps = lab.steps.map((step) => {
    const derived = step.operations.map(derive)
    return {
      id: step.id,
      title: step.title,
      text: step.text,
      derived,
      commands: derived.flatMap((operation) => operation.apply),
    }
  })
  if (flags.script) log(toScript(lab.title, steps).trimEnd())
  else
    for (const { title, text, derived, commands } of steps) {
      if (flags.explain) {
        log(`${style.title(title)}\n  ${text}`)
        for (const { explain } of derived.slice(0, 6)) log(`  ${explain.what}. ${style.quiet(explain.why)}`)
      } else for (const command of commands) log(toLine(command, '1'))
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
