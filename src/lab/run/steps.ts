import { CnilabError } from '../../errors.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import { outputOf } from '../../kernel/on-host.ts'
import type { Lab, LabCommand, LabStep } from '../format/lab.ts'
import type { Command } from '../../operations/operation.ts'
import { derive } from '../../operations/registry.ts'
import type { Finding } from '../../plan/finding.ts'
import type { State } from '../../state/state.ts'
import { type Checked, isDone, type StepState } from './check.ts'
import { mendPlan } from '../../engine/mend.ts'
import { removeOperation } from '../../engine/remove.ts'

/** What a command that a lab runs printed. */
export interface CommandOutput {
  command: LabCommand
  output: string
}

/** What came of doing one step: the kernel before and after, and what the checks say. */
export interface StepResult {
  status: 'done' | 'already'
  commands: Command[]
  runs: CommandOutput[]
  before: State
  after: State
  findings: Finding[]
  /** Where the lab stands now. */
  steps: StepState[]
}

/**
 * The earlier steps that have to be done before this one can be, in their order. A step that is checked with packets
 * needs all of them: the packets pass through what they made.
 */
export function missingSteps(lab: Lab, step: LabStep, { steps, now }: Checked): LabStep[] {
  const done = new Set(steps.flatMap((state) => (state.status === 'done' ? [state.step] : [])))
  if (done.has(step)) return []
  const earlierOnes = lab.steps.slice(0, lab.steps.indexOf(step))
  if (step.checks.length + step.run.length > 0) return earlierOnes.filter((one) => !done.has(one))
  const missing = new Set<LabStep>()
  const visit = (one: LabStep) => {
    const needs = one.operations
      .map(derive)
      .filter((operation) => operation.judge(now).status !== 'present')
      .flatMap((operation) => operation.needs)
    for (const earlier of lab.steps.slice(0, lab.steps.indexOf(one))) {
      const brings = earlier.operations.map(derive).flatMap((operation) => operation.provides)
      if (missing.has(earlier) || done.has(earlier) || !needs.some((need) => brings.includes(need))) continue
      missing.add(earlier)
      visit(earlier)
    }
  }
  visit(step)
  return lab.steps.filter((one) => missing.has(one))
}

/**
 * Does one step, after the ones in `first`, and checks it; `check` finds out where the lab stands. Throws as `doPlan`
 * does.
 */
export async function doStep(
  kernel: Kernel,
  step: LabStep,
  first: readonly LabStep[],
  before: Checked,
  check: () => Promise<Checked>,
): Promise<StepResult> {
  const all = [...first, step]
  const { done } = await mendPlan(
    kernel,
    all.flatMap((one) => one.operations),
  )
  const wasDone = isDone(step, before.steps)
  const runs = wasDone
    ? []
    : await runCommands(
        kernel,
        all.flatMap(({ run }) => run),
      )
  const todo = done.filter(({ status }) => status !== 'already')
  return {
    ...resultOf(step, before, await check()),
    status: wasDone && todo.length === 0 ? 'already' : 'done',
    commands: todo.flatMap(({ commands }) => commands),
    runs,
  }
}

/** What somebody else did of a step between two checks. */
export function resultOf(step: LabStep, before: Checked, after: Checked): StepResult {
  return {
    status: isDone(step, before.steps) ? 'already' : 'done',
    commands: [],
    runs: [],
    before: before.now,
    after: after.now,
    findings: after.findings.filter((finding) => finding.step === step.id),
    steps: after.steps,
  }
}

/** Runs commands of a lab one after the other, and returns what they printed. Their status does not matter. */
export async function runCommands(kernel: Kernel, commands: readonly LabCommand[]): Promise<CommandOutput[]> {
  const outputs: CommandOutput[] = []
  for (const command of commands)
    outputs.push({ command, output: await outputOf(kernel.host, command.argv, command.netns) })
  return outputs
}

/** A step by its id or its number, which begins with 1. Throws CnilabError `usage`. */
export function findStep(lab: Lab, name: string): LabStep {
  const step = lab.steps.find(({ id }, i) => id === name || String(i + 1) === name)
  if (step) return step
  throw new CnilabError('usage', `${lab.id} has no step '${name}'`, {
    fix: `its steps are: ${lab.steps.map(({ id }) => id).join(', ')}, or their numbers`,
  })
}

/** Takes a step back, its last operation first. Returns the commands that it took. Throws as `removeOperation` does. */
export async function undoStep(kernel: Kernel, step: LabStep): Promise<Command[]> {
  const commands: Command[] = []
  for (const operation of step.operations.toReversed()) commands.push(...(await removeOperation(kernel, operation)))
  return commands
}
