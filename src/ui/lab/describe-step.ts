import { hidesSolution, type Lab, type LabStep } from '../../lab/format/lab.ts'
import { bindOperation } from '../../operations/registry.ts'
import { toLine } from '../../plan/command-line.ts'
import { unfitted } from '../terminal/markdown.ts'
import type { StepText } from './show-description.ts'

/** `Step 3 of 8: Create a veth pair` */
export function headingOf(lab: Lab, step: LabStep): string {
  return `Step ${lab.steps.indexOf(step) + 1} of ${lab.steps.length}: ${step.title}`
}

/** The description of a step, drawn, but without line breaks yet. */
export function stepText(lab: Lab, step: LabStep, plain: boolean): StepText {
  const bound = hidesSolution(lab, step) ? [] : step.operations.map(bindOperation)
  return {
    heading: headingOf(lab, step),
    text: unfitted(step.text, plain),
    explanations: bound.map(({ explain }) => `${explain.what}. ${explain.why}`),
    iptables: bound.flatMap(({ explain }) => explain.iptables ?? []),
    commands: bound.flatMap((operation) => operation.apply).map((command) => toLine(command, '1')),
  }
}
