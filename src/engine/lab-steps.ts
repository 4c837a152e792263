import { CnilabError } from '../errors.ts'
import type { Kernel } from '../kernel/kernel.ts'
import type { Lab, LabStep } from '../lab/lab.ts'
import type { Command } from '../operations/operation.ts'
import { derive } from '../operations/registry.ts'
import { type Finding, toFindings } from '../plan/finding.ts'
import type { State } from '../state/state.ts'
import { assert } from './assertions.ts'
import { doPlan } from './do.ts'
import { removeOperation } from './remove.ts'

/** How far a step is, read from the kernel. `next` is the first that is not done. */
export interface StepState {
  step: LabStep
  /** 1, 2, … */
  number: number
  status: 'done' | 'next' | 'not yet'
}

/** What came of doing one step: the kernel before and after, and what the checks say. */
export interface StepResult {
  status: 'done' | 'already'
  commands: Command[]
  before: State
  after: State
  findings: Finding[]
}

/** Where a lab stands: a step is done when the kernel has all of what it makes, whoever made it. */
export function stepStates(lab: Lab, now: State): StepState[] {
  const done = lab.steps.map((step) => isDone(step, now))
  const next = done.indexOf(false)
  return lab.steps.map((step, i) => ({
    step,
    number: i + 1,
    status: done[i] === true ? 'done' : i === next ? 'next' : 'not yet',
  }))
}

/**
 * The earlier steps that have to be done before this one can be, in their order. A step that is checked with packets
 * needs all of them: the packets pass through what they made.
 */
export function missingSteps(lab: Lab, step: LabStep, now: State): LabStep[] {
  if (isDone(step, now)) return []
  const earlierOnes = lab.steps.slice(0, lab.steps.indexOf(step))
  if (step.checks.length > 0) return earlierOnes.filter((one) => !isDone(one, now))
  const missing = new Set<LabStep>()
  const visit = (one: LabStep) => {
    const needs = one.operations
      .map(derive)
      .filter((operation) => operation.judge(now).status !== 'present')
      .flatMap((operation) => operation.needs)
    for (const earlier of lab.steps.slice(0, lab.steps.indexOf(one))) {
      const brings = earlier.operations.map(derive).flatMap((operation) => operation.provides)
      if (missing.has(earlier) || isDone(earlier, now) || !needs.some((need) => brings.includes(need))) continue
      missing.add(earlier)
      visit(earlier)
    }
  }
  visit(step)
  return lab.steps.filter((one) => missing.has(one))
}

/** Does one step, after the ones in `first`, and checks it. Throws as `doPlan` does. */
export async function doStep(kernel: Kernel, step: LabStep, first: readonly LabStep[]): Promise<StepResult> {
  const before = await kernel.read()
  const { done } = await doPlan(
    kernel,
    [...first, step].flatMap((one) => one.operations),
    { now: before },
  )
  const checked = await checkStep(kernel, step, before)
  const todo = done.filter(({ status }) => status === 'done')
  return {
    status: todo.length === 0 ? 'already' : 'done',
    commands: todo.flatMap(({ operation }) => operation.apply),
    before,
    after: checked.after,
    findings: checked.findings,
  }
}

/** Checks a step that somebody else may have done, since `before` was read. */
export async function checkStep(kernel: Kernel, step: LabStep, before: State): Promise<StepResult> {
  const after = await kernel.read()
  const findings = toFindings(step.operations.map(derive), after, step.id)
  // Packets are tried only once everything that they need is there.
  const tried = findings.every(({ passed }) => passed === true) ? step.checks : []
  for (const assertion of tried) findings.push(await assert(kernel, assertion, step.id, after))
  return { status: isDone(step, before) ? 'already' : 'done', commands: [], before, after, findings }
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

function isDone(step: LabStep, now: State): boolean {
  return step.operations.map(derive).every((operation) => operation.judge(now).status === 'present')
}
