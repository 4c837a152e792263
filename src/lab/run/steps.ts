import { bindAssertion } from '../../assertions/registry.ts'
import { CnilabError } from '../../errors.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import { outputOf } from '../../kernel/on-host.ts'
import type { Lab, LabStep, RunCommand, StepCommand } from '../format/lab.ts'
import type { Command } from '../../operations/operation.ts'
import { bindOperation, bindPlan, type Operation } from '../../operations/registry.ts'
import type { Correction } from '../../plan/cables.ts'
import { programLine } from '../../plan/command-line.ts'
import { foresee } from '../../plan/foresee.ts'
import type { Finding } from '../../plan/finding.ts'
import { HOST, type State, UPLINK } from '../../state/state.ts'
import { type LabCheckResult, isDone, type StepState } from './check.ts'
import type { DoResult } from '../../engine/do.ts'
import { mendPlan, planMending } from '../../engine/mend.ts'
import { findObstacles } from '../../engine/obstacles.ts'
import { allHold } from './assert.ts'
import { endOf } from './lasting.ts'
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
  /** What was wrong before, in words. */
  wrong: string[]
  /** Rules of others for which checks fail; they stay. */
  inTheWay: Correction[]
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

/** What brings a network to the end of a step: the steps that must be done or mended for it, and all their operations. */
export interface StepPlan {
  steps: LabStep[]
  operations: Operation[]
  /** All that the lab makes: nothing of it is in the way. */
  within: Operation[]
}

/**
 * The plan for a step, after those in `first`. All steps that were `reached` before are part of it, and what the lab begins
 * with: if something of them was lost or changed since, it is put right, unless a step that was reached has ended it.
 */
export function planOf(
  lab: Lab,
  step: LabStep,
  first: readonly LabStep[],
  reached: readonly LabStep[],
  now: State,
): StepPlan {
  const steps = lab.steps.filter((one) => one === step || first.includes(one) || reached.includes(one))
  const start = lab.start.filter((operation) => !isForbidden(lab, operation, now))
  const furthest = Math.max(-1, ...reached.map((one) => lab.steps.indexOf(one)))
  const isOver = (one: LabStep, operation: Operation) => endOf(lab, one, bindOperation(operation).id) <= furthest
  const all = [...start, ...steps.flatMap((one) => one.operations.filter((operation) => !isOver(one, operation)))]
  return {
    steps,
    operations: withoutLost(all, now),
    within: [...lab.start, ...lab.steps.flatMap((one) => one.operations)],
  }
}

/**
 * Operations without those whose effect a later one of them takes away by moving an interface, as foreseen from a host that
 * has nothing of them yet.
 */
function withoutLost(operations: readonly Operation[], now: State): Operation[] {
  const bound = bindPlan(operations)
  if (!bound.some(({ moves }) => moves)) return [...operations]
  const host = now.get(HOST)
  const links = (host?.links ?? []).filter(({ name }) => name === 'lo' || name === UPLINK.ifname)
  let state: State = new Map(host ? [[HOST, { ...host, links, routes: [] }]] : [])
  const made = bound.map((one) => {
    state = foresee(state, one.apply)
    return one.judge(state).status === 'present'
  })
  return operations.filter((_, i) => made[i] !== true || bound[i]?.judge(state).status === 'present')
}

/** Whether a step of the lab demands that an operation of its start is taken back: what is gone then was repaired. */
function isForbidden({ steps }: Lab, operation: Operation, now: State): boolean {
  const then = foresee(now, bindOperation(operation).apply)
  return steps.some(({ checks }) =>
    checks.some((check) => {
      const { test } = bindAssertion(check)
      return check.not && test.by === 'state' && !test.judge(now).holds && test.judge(then).holds
    }),
  )
}

/** What a plan would change now: what is wrong, and the commands that put it right or make what is missing. */
export interface Preview {
  wrong: string[]
  corrections: readonly Command[]
  /** The commands of each step. */
  steps: { step: LabStep; commands: Command[] }[]
}

/** Works out what a plan would change now. Changes nothing. Throws as `mendPlan` does. */
export async function preview(kernel: Kernel, plan: StepPlan): Promise<Preview> {
  const { done, corrections } = await planMending(kernel, plan.operations, plan)
  const commandsOf = (operations: readonly Operation[]) => {
    const ids = new Set(operations.map((operation) => bindOperation(operation).id))
    return done.filter(({ operation }) => ids.has(operation.id)).flatMap(({ commands }) => commands)
  }
  const own = plan.steps.flatMap(({ operations }) => operations)
  return {
    wrong: wrongIn(done, corrections),
    corrections: [
      ...corrections.flatMap(({ commands }) => commands),
      ...commandsOf(plan.operations.filter((operation) => !own.includes(operation))),
    ],
    steps: plan.steps.map((step) => ({ step, commands: commandsOf(step.operations) })),
  }
}

/** What is wrong, in words: what is in the way of a plan, and what differs from its operations. */
function wrongIn(done: DoResult['done'], corrections: readonly Correction[]): string[] {
  return [...corrections.map(({ wrong }) => wrong), ...done.flatMap(({ found }) => found ?? [])]
}

/** Options of `doStep`. */
export interface StepOptions {
  /** Whether to remove rules of others that let no packet pass, if checks fail for them; on the machine they stay. */
  removeForeign?: boolean
}

/**
 * Brings the network to the end of a step, whatever it is like, and checks it with `check`. Throws as `mendPlan` does.
 */
export async function doStep(
  kernel: Kernel,
  step: LabStep,
  plan: StepPlan,
  before: LabCheckResult,
  check: () => Promise<LabCheckResult>,
  options: StepOptions = {},
): Promise<StepResult> {
  const { steps } = plan
  const removeForeign = options.removeForeign === true && kernel.host.kind === 'sandbox'
  const runs: CommandOutput[] = []
  const commands: Command[] = []
  const wrong: string[] = []
  const mend = async () => {
    const { done, corrections } = await mendPlan(kernel, plan.operations, plan)
    const todo = done.filter(({ status }) => status !== 'already')
    commands.push(...[...corrections, ...todo].flatMap((one) => one.commands))
    wrong.push(...wrongIn(done, corrections))
  }
  const lacks = ({ steps: states }: LabCheckResult) => steps.filter((one) => !isDone(one, states))
  const runOf = async (some: readonly LabStep[]) =>
    runs.push(
      ...(await runCommands(
        kernel,
        some.flatMap(({ run }) => run),
      )),
    )
  await mend()
  await runOf(lacks(before))
  let after = await check()
  let inTheWay: Correction[] = []
  // What was done by commands alone may be lost, too; and a cable goes only a while after its namespace.
  if (lacks(after).length > 0) {
    const found = await findObstacles(kernel, after.now)
    inTheWay = removeForeign ? [] : found.foreign
    const own = [...found.own, ...found.learned]
    const removed = [...own, ...(removeForeign ? found.foreign : [])]
    await kernel.run(removed.flatMap((one) => one.commands))
    commands.push(...removed.flatMap((one) => one.commands))
    wrong.push(...removed.map((one) => one.wrong))
    await mend()
    await runOf(own.length > 0 ? steps : lacks(after))
    after = await check()
  }
  const isBefore = isDone(step, before.steps)
  return {
    ...resultByHand(step, before, after),
    status: isBefore && commands.length === 0 ? 'already' : 'done',
    commands,
    wrong,
    inTheWay: lacks(after).length > 0 ? inTheWay : [],
    runs,
  }
}

/** The outcome of a step that the learner did by hand between two checks. */
export function resultByHand(step: LabStep, before: LabCheckResult, after: LabCheckResult): StepResult {
  return {
    status: isDone(step, before.steps) ? 'already' : 'done',
    commands: [],
    wrong: [],
    inTheWay: [],
    runs: [],
    before: before.now,
    after: after.now,
    findings: after.findings.filter((finding) => finding.step === step.id),
    steps: after.steps,
  }
}

/** Whether a command of a lab is still to be run: one that changes something may have been. */
async function isWanted(kernel: Kernel, command: Partial<RunCommand>): Promise<boolean> {
  const { if: claims = [] } = command
  return claims.length === 0 || allHold(kernel, claims, await kernel.read())
}

/** The commands of a step that are still to be run. */
export async function wantedRuns(kernel: Kernel, { run }: Pick<LabStep, 'run'>): Promise<RunCommand[]> {
  const wanted = await Promise.all(run.map((command) => isWanted(kernel, command)))
  return run.filter((_, i) => wanted[i])
}

/** Runs commands of a lab in order, all that are wanted, and returns their output, and which of them failed. */
export async function runCommands(
  kernel: Kernel,
  commands: readonly (StepCommand & Partial<RunCommand>)[],
): Promise<CommandOutput[]> {
  const outputs: CommandOutput[] = []
  for (const command of commands) {
    if (!(await isWanted(kernel, command))) continue
    const { output, code } = await outputOf(kernel.host, command.argv, command.netns)
    // One that we had to stop did not fail by itself: its output says so.
    const isRight = code === undefined || [undefined, 'any', String(code)].includes(command.exit)
    outputs.push({ command, output, ...(isRight ? {} : { failure: `it ended with status ${code}` }) })
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
