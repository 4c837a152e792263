import { type Assertion, bindAssertion } from '../../assertions/registry.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import type { Lab, LabStep } from '../format/lab.ts'
import { readResource } from '../../operations/operation.ts'
import { type BoundOperation, bindOperation } from '../../operations/registry.ts'
import { dependencies, type Dependencies, type Finding, NOT_TRIED, toFindings } from '../../plan/finding.ts'
import { HOST, type State } from '../../state/state.ts'
import { assert } from './assert.ts'

/** The status of a step, read from the kernel. `next` is the first step that is not done. */
export interface StepState {
  step: LabStep
  /** From 1. */
  number: number
  status: 'done' | 'next' | 'not yet'
}

/** The result of checking a lab, and the state that was checked. */
export interface LabCheckResult {
  findings: Finding[]
  steps: StepState[]
  now: State
}

/**
 * Checks a lab in the kernel, no matter who did what. Judges the steps up to the first one that is not done, and at least up
 * to index `reached`, as far as the learner has come. In later steps, what is missing counts as skipped, and so does what
 * depends on a failure: one mistake is one red line. Unless `patient`, no check waits for long.
 */
export async function checkLab(kernel: Kernel, lab: Lab, reached = -1, patient = true): Promise<LabCheckResult> {
  const now = await kernel.read()
  const before = dependencies()
  const moves = movesOf(lab)
  const plan = [...lab.start, ...lab.steps.flatMap(({ operations }) => operations)].map(bindOperation)
  const findings: Finding[] = []
  const done: boolean[] = []
  for (const [i, step] of lab.steps.entries()) {
    const isReached = i <= reached || done.every(Boolean)
    const own = await checkStep(kernel, step, now, before, moves, plan, isReached ? findings : undefined, patient)
    findings.push(...own)
    done.push(own.every(isFulfilled))
  }
  const next = done.indexOf(false)
  const steps = lab.steps.map((step, i): StepState => {
    return { step, number: i + 1, status: done[i] === true ? 'done' : i === next ? 'next' : 'not yet' }
  })
  return { findings, steps, now }
}

/** Whether a step is done. */
export function isDone(step: LabStep, steps: readonly StepState[]): boolean {
  return steps.some((state) => state.step.id === step.id && state.status === 'done')
}

/** The step that a learner is at: the first that is not done; undefined at the end. */
export function currentStep({ steps }: { steps: readonly StepState[] }): LabStep | undefined {
  return steps.find(({ status }) => status === 'next')?.step
}

/** Whether a finding passed, or cannot be tried here. */
function isFulfilled({ passed, actual }: Finding): boolean {
  return passed === true || (passed === null && actual.startsWith(NOT_TRIED))
}

/** Checks one step. `earlier` has all findings before it; undefined for a step that is not reached yet, which cannot fail. */
async function checkStep(
  kernel: Kernel,
  step: LabStep,
  now: State,
  before: Dependencies,
  moves: ReadonlyMap<string, string>,
  plan: readonly BoundOperation[],
  earlier: readonly Finding[] | undefined,
  patient: boolean,
): Promise<Finding[]> {
  const findings = step.free
    ? []
    : withoutConsequences(toFindings(step.operations.map(bindOperation), now, step.id, before, plan), step, moves, now)
  for (const check of step.checks) {
    const bound = bindAssertion(check)
    // A check with packets depends on everything before it: they pass through all of that.
    const isTried = bound.test.by !== 'state'
    const all = [...(earlier ?? []), ...findings]
    const dependsOn = isTried ? all.map(({ id }) => id) : before.on(bound.needs)
    const isReady = earlier !== undefined && (isTried ? all.every(isFulfilled) : before.hold(dependsOn))
    const finding = isTried && !isReady ? skipped(check, step) : await assert(kernel, check, step.id, now, patient)
    const passed = finding.passed === false && !isReady ? null : finding.passed
    before.add(bound.id, passed, bound.provides)
    findings.push({ ...finding, passed, dependsOn })
  }
  if (earlier !== undefined) return findings
  return findings.map((finding) => (finding.passed === false ? { ...finding, passed: null } : finding))
}

/** The namespaces that a lab moves interfaces to, by the names that the interfaces were created with. */
function movesOf(lab: Lab): Map<string, string> {
  const all = lab.steps.flatMap(({ operations }) => operations)
  return new Map(
    all.flatMap((operation) => {
      const { moves } = bindOperation(operation)
      return moves ? [[moves.from.ifname, moves.to.netns]] : []
    }),
  )
}

/** A cable disappears with the namespace that holds one of its ends: if that is missing, only the namespace counts as a failure. */
function withoutConsequences(
  findings: readonly Finding[],
  step: LabStep,
  moves: ReadonlyMap<string, string>,
  now: State,
): Finding[] {
  return findings.map((finding, i) => {
    const operation = step.operations[i]
    if (!operation || finding.passed !== false) return finding
    const lost = bindOperation(operation)
      .provides.map(readResource)
      .map(({ what, netns, ifname }) => (what === 'link' && netns === HOST ? moves.get(ifname) : undefined))
    const missing = lost.filter((netns) => netns !== undefined && !now.has(netns))
    if (missing.length === 0) return finding
    return { ...finding, passed: null, dependsOn: missing.map((netns) => `netns.${netns}`) }
  })
}

function skipped(check: Assertion, step: LabStep): Finding {
  const { id, what, expected, why } = bindAssertion(check)
  const actual = 'skipped: something that it depends on is missing'
  return { id, step: step.id, passed: null, what, expected, actual, why, fix: [], dependsOn: [] }
}
