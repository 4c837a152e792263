import type { Runnable, RunnableStep } from '../../lab/format/lab.ts'
import type { Tool } from '../../operations/operation.ts'
import { bindOperation, type BoundOperation } from '../../operations/registry.ts'
import { programLine, toLine } from '../../plan/command-line.ts'
import { toScript } from '../../plan/script.ts'
import type { Document } from '../terminal/base-command.ts'
import type { Printable } from '../terminal/drawn.ts'
import { commandLines, indented } from '../terminal/layout.ts'
import { markdown } from '../terminal/markdown.ts'
import type { Log } from '../terminal/output.ts'
import { style } from '../terminal/style.ts'
import { draw } from '../terminal/text.ts'
import { showIptables } from './show-description.ts'

/** What `lab run --dry-run --json` prints: every step with its commands, as lines that can be pasted into a shell. */
export interface LabPlan extends Document {
  lab: string
  steps: { id: string; title: string; text: string; commands: string[] }[]
}

/** Prints what a lab would run: just the commands, a shell script, or with explanations. */
export function printPlan(lab: Runnable, flags: { script: boolean; explain: boolean }, log: Log): LabPlan {
  const steps = partsOf(lab).map(({ id, title, text, operations, run = [] }) => {
    const bound = operations.map(bindOperation)
    return { id, title, text, bound, run, commands: bound.flatMap((operation) => operation.apply) }
  })
  if (flags.script) log(scriptLines(scriptOf(lab)))
  else
    for (const [i, { title, text, bound, commands, run }] of steps.entries()) {
      if (flags.explain) {
        log(draw`${i === 0 ? '' : '\n'}${style.title(title)}\n${markdown(text, false)}`)
        for (const line of explanations(text, bound)) log(indented(line, 2))
        showIptables(
          bound.flatMap(({ explain }) => explain.iptables ?? []),
          log,
        )
      } else
        for (const line of [...commands.map((command) => toLine(command, '1')), ...run.map(programLine)])
          log(commandLines(line, 0))
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

/** The programs with which a script builds a network. */
const TOOLS: readonly string[] = ['ip', 'nft', 'sysctl', 'bridge'] satisfies Tool[]

/** A lab as a shell script: its operations, and those of its commands that change something by the same programs. */
export function scriptOf(lab: Pick<Runnable, 'title' | 'start' | 'steps'>): string {
  const parts = partsOf(lab).map(({ title, operations, run = [] }) => ({
    title,
    commands: operations.flatMap((operation) => bindOperation(operation).apply),
    lines: run
      .filter(({ argv: [tool = ''], if: claims }) => claims.length > 0 && TOOLS.includes(tool))
      .map(programLine),
  }))
  return toScript(lab.title, parts)
}

/** A script for the terminal, from which it can be copied. */
export function scriptLines(script: string): string {
  const lines = script.trimEnd().split('\n')
  return lines.map((line) => (line.startsWith('#') ? line : commandLines(line, 0))).join('\n')
}

/** How many operations of a step to explain: in a lab with many containers, the others are alike. */
const MAX_EXPLAINED = 6

/** What each operation does, and why, unless the text has just said so. */
function explanations(text: string, bound: readonly BoundOperation[]): Printable[] {
  const shown = new Set([text])
  const lines = bound.slice(0, MAX_EXPLAINED).map(({ explain: { what, why } }) => {
    const isNew = !shown.has(why)
    shown.add(why)
    return isNew ? draw`${what}. ${style.quiet(why)}` : `${what}.`
  })
  return bound.length > MAX_EXPLAINED ? [...lines, `… and ${bound.length - MAX_EXPLAINED} more`] : lines
}

/** The starting state, if the lab has one, and its steps. */
function partsOf({ start = [], steps }: Pick<Runnable, 'start' | 'steps'>): RunnableStep[] {
  const title = 'The starting state'
  const text = 'What exists when the lab begins.'
  return [...(start.length === 0 ? [] : [{ id: 'start', title, text, operations: start }]), ...steps]
}
