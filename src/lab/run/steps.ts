import { CnilabError } from '../../errors.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import { outputOf } from '../../kernel/on-host.ts'
import type { Lab, LabStep, RunCommand, StepCommand } from '../format/lab.ts'
import type { Command } from '../../operations/operation.ts'
import { bindOperation } from '../../operations/registry.ts'
import { programLine } from '../../plan/command-line.ts'
import type { Finding } from '../../plan/finding.ts'
import type { State } from '../../state/state.ts'
import { type LabCheckResult, isDone, type StepState } from './check.ts'
import { mendPlan } from '../../engine/mend.ts'
import { removeOperation } from '../../engine/remove.ts'

/** The output of a command of a lab. */
export interface CommandOutput {
  command: StepCommand & Partial<RunCommand>
  output: string
  /** How it failed, in words. */
  failure?: string
}

/** The outcome of one step: the kernel before and after, and the findings. */
export interface StepResult {
  status: 'done' | 'already'
  commands: Command[]
  runs: CommandOutput[]
  before: State
  after: State
  findings: Finding[]
  /** The status of all steps afterwards. */
  steps: StepState[]
}

/**
 * The earlier steps that must be done before this one, in order. A step that is checked with packets needs all of them, as
 * the packets pass through what they made.
 */
export function missingSteps(lab: Lab, step: LabStep, { steps, now }: LabCheckResult): LabStep[] {
  const done = new Set(steps.flatMap((state) => (state.status === 'done' ? [state.step] : [])))
  if (done.has(step)) return []
  const earlierOnes = lab.steps.slice(0, lab.steps.indexOf(step))
  if (step.checks.length + step.run.length > 0) return earlierOnes.filter((one) => !done.has(one))
  const missing = new Set<LabStep>()
  const visit = (one: LabStep) => {
    const needs = one.operations
      .map(bindOperation)
      .filter((operation) => operation.judge(now).status !== 'present')
      .flatMap((operation) => operation.needs)
    for (const earlier of lab.steps.slice(0, lab.steps.indexOf(one))) {
      const brings = earlier.operations.map(bindOperation).flatMap((operation) => operation.provides)
      if (missing.has(earlier) || done.has(earlier) || !needs.some((need) => brings.includes(need))) continue
      missing.add(earlier)
      visit(earlier)
    }
  }
  visit(step)
  return lab.steps.filter((one) => missing.has(one))
}

/**
 * Does one step, after those in `first`, and checks it with `check`. Throws as `doPlan` does.
 */
export async function doStep(
  kernel: Kernel,
  step: LabStep,
  first: readonly LabStep[],
  before: LabCheckResult,
  check: () => Promise<LabCheckResult>,
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
    ...resultByHand(step, before, await check()),
    status: wasDone && todo.length === 0 ? 'already' : 'done',
    commands: todo.flatMap(({ commands }) => commands),
    runs,
  }
}

/** The outcome of a step that the learner did by hand between two checks. */
export function resultByHand(step: LabStep, before: LabCheckResult, after: LabCheckResult): StepResult {
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

/** Runs commands of a lab in order, all of them, and returns their output, and which of them failed. */
export async function runCommands(
  kernel: Kernel,
  commands: readonly (StepCommand & Partial<RunCommand>)[],
): Promise<CommandOutput[]> {
  const outputs: CommandOutput[] = []
  for (const command of commands) {
    const { output, code } = await outputOf(kernel.host, command.argv, command.netns)
    // One that we had to stop did not fail by itself: its output says so.
    const isWanted = code === undefined || [undefined, 'any', String(code)].includes(command.exit)
    outputs.push({ command, output, ...(isWanted ? {} : { failure: `it ended with status ${code}` }) })
  }
  return outputs
}

/** The findings of commands that failed. */
export function failuresOf(runs: readonly CommandOutput[], step: string): Finding[] {
  return runs.flatMap(({ command, output, failure }, i) => {
    if (failure === undefined) return []
    const last = output.trimEnd().split('\n').at(-1) ?? ''
    return [
      {
        id: `run.${i + 1}`,
        step,
        passed: false,
        what: `The command ${programLine(command)} succeeds`,
        expected: `it ends with status ${command.exit ?? 0}`,
        actual: `${failure}${last === '' ? '' : `: ${last}`}`,
        why: 'The lab runs it for the learner to see what comes of it. If it may fail, the lab says so, with exit: any.',
        fix: [],
        dependsOn: [],
      },
    ]
  })
}

/** Finds a step by its id, or by its number, from 1. Throws CnilabError `usage`. */
export function findStep(lab: Lab, name: string): LabStep {
  const step = lab.steps.find(({ id }, i) => id === name || String(i + 1) === name)
  if (step) return step
  throw new CnilabError('usage', `${lab.id} has no step '${name}'`, {
    fix: `its steps are: ${lab.steps.map(({ id }) => id).join(', ')}, or their numbers`,
  })
}

/** Undoes a step, its last operation first. Returns the commands that were run. Throws as `removeOperation` does. */
export async function undoStep(kernel: Kernel, step: LabStep): Promise<Command[]> {
  const commands: Command[] = []
  for (const operation of step.operations.toReversed()) commands.push(...(await removeOperation(kernel, operation)))
  return commands
}
