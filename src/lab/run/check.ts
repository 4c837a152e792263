import { type Assertion, bindAssertion } from '../../assertions/registry.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import type { Lab, LabStep } from '../format/lab.ts'
import { readResource } from '../../operations/operation.ts'
import { bindOperation, bindPlan, type BoundOperation, type Operation } from '../../operations/registry.ts'
import { inOrder } from '../../plan/order.ts'
import { dependencies, type Dependencies, type Finding, NOT_TRIED, toFindings } from '../../plan/finding.ts'
import { HOST, type State } from '../../state/state.ts'
import { assert } from './assert.ts'
import { doublesIn } from './elsewhere.ts'
import { lostGround } from './ground.ts'
import { endOf, isOverSometime } from './lasting.ts'
import { renewNeighbours } from './neighbours.ts'
import { type Effect, effectsOf, withEffects } from './prove.ts'

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
  await renewNeighbours(kernel, lab, now, patient)
  const judged = (isOver: (step: LabStep, id: string) => boolean) =>
    judgeSteps(kernel, lab, reached, { now, patient, isOver })
  const hasEnded = (step: LabStep, id: string) => isOverSometime(lab, step, id) && endOf(lab, step, id) <= reached + 1
  const first = await judged(hasEnded)
  // What failed is in order if the step that ends it is done, by somebody who was never asked before.
  const failed = lab.steps.flatMap((step, at) =>
    first.findings
      .filter(
        (finding) => finding.step === step.id && finding.passed === false && isOverSometime(lab, step, finding.id),
      )
      .map(({ id }) => ({ step, id, at, end: endOf(lab, step, id) })),
  )
  const isSuspect = (step: LabStep, id: string) => failed.some((one) => one.step === step && one.id === id)
  const second = failed.length === 0 ? first : await judged((step, id) => isSuspect(step, id) || hasEnded(step, id))
  const isRight = failed.every(
    ({ at, end }) => isShown(lab.steps[end]) && second.done.slice(at, end + 1).every(Boolean),
  )
  const { findings, done } = isRight ? second : first
  const next = done.indexOf(false)
  const steps = lab.steps.map((step, i): StepState => {
    return { step, number: i + 1, status: done[i] === true ? 'done' : i === next ? 'next' : 'not yet' }
  })
  return { findings, steps, now }
}

/** What steps are judged by. */
interface Judging {
  now: State
  patient: boolean
  /** Whether a finding of a step need not pass any more, from a later step on. */
  isOver: (step: LabStep, id: string) => boolean
}

interface StepJudging extends Judging {
  before: Dependencies
  moves: ReadonlyMap<string, string>
  /** A finding, which is wrong if its address is somewhere else, too. */
  withoutDouble: (step: LabStep, finding: Finding) => Finding
}

async function judgeSteps(
  kernel: Kernel,
  lab: Lab,
  reached: number,
  judging: Judging,
): Promise<{ findings: Finding[]; done: boolean[] }> {
  const before = dependencies()
  const moves = movesOf(lab)
  // A cable is where later steps take its ends.
  const all = lab.steps.flatMap(({ operations }) => operations)
  const planned = new Map(bindPlan([...lab.start, ...all]).map((one) => [one.operation, one]))
  const withoutDouble = doublesIn(lab, judging.now)
  const findings: Finding[] = []
  const done: boolean[] = []
  for (const [i, step] of lab.steps.entries()) {
    const isReached = i <= reached || done.every(Boolean)
    const own = await checkStep(kernel, step, planned, isReached ? findings : undefined, {
      ...judging,
      before,
      moves,
      withoutDouble,
    })
    const verdicts = own.map((finding) => (judging.isOver(step, finding.id) ? ended(finding, step) : finding))
    findings.push(...verdicts)
    done.push(verdicts.every(isFulfilled))
  }
  const at = done.indexOf(false)
  const current = at < 0 ? lab.steps.length - 1 : at
  const lost = await lostGround(kernel, lab, lab.steps[current]?.id ?? '', judging.now)
  if (lost.length > 0) done[current] = false
  findings.push(...lost)
  return { findings, done }
}

/** A finding that need not pass any more. */
function ended(finding: Finding, { until }: LabStep): Finding {
  if (finding.passed === true) return finding
  return { ...finding, passed: null, actual: `${NOT_TRIED}: it has to be so only until step ${until[finding.id]}` }
}

/** Whether that a step is done shows that somebody did it: that something is not there was so before anything was done. */
export function isShown(step: LabStep | undefined): boolean {
  return step !== undefined && ((!step.free && step.operations.length > 0) || step.checks.some(({ not }) => !not))
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
  planned: ReadonlyMap<Operation, BoundOperation>,
  earlier: readonly Finding[] | undefined,
  { now, patient, isOver, before, moves, withoutDouble }: StepJudging,
): Promise<Finding[]> {
  const operations = step.free
    ? []
    : inOrder(step.operations.map((operation) => planned.get(operation) ?? bindOperation(operation)))
  const found = withoutConsequences(
    toFindings(operations, now, step.id, before, [...planned.values()]),
    operations,
    moves,
    now,
  )
  const effects = earlier === undefined ? new Map<string, Effect>() : await effectsOf(kernel, operations, now)
  const judged = withEffects(found, effects).map((finding) => withoutDouble(step, finding))
  const isFine = (finding: Finding) => isFulfilled(finding) || isOver(step, finding.id)
  // What depends on something that is over, or done in another way, is not held up by that.
  for (const { id, passed } of judged) if (passed === true || isOver(step, id)) before.add(id, true, [])
  // What may be there after all is no mistake as long as another one keeps it from being seen.
  const findings = judged.map((finding): Finding => {
    const isOpen = finding.passed === false && effects.get(finding.id)?.isThere === false
    const others = [...(earlier ?? []), ...judged].filter((one) => one !== finding && one.passed === false)
    return isOpen && others.length > 0 ? { ...finding, passed: null } : finding
  })
  for (const check of step.checks) {
    const bound = bindAssertion(check)
    // A check with packets depends on everything before it: they pass through all of that.
    const isTried = bound.test.by !== 'state'
    const all = [...(earlier ?? []), ...findings]
    const dependsOn = isTried ? all.map(({ id }) => id) : before.on(bound.needs)
    const isReady = earlier !== undefined && (isTried ? all.every(isFine) : before.hold(dependsOn))
    const isEnded = isOver(step, bound.id)
    const finding =
      isTried && (!isReady || isEnded)
        ? skipped(check, step)
        : withoutDouble(step, await assert(kernel, isEnded ? { ...check, wait: 0 } : check, step.id, now, patient))
    const passed = finding.passed === false && !isReady ? null : finding.passed
    before.add(bound.id, isEnded ? true : passed, bound.provides)
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

/**
 * A cable disappears with the namespace that holds one of its ends: if that is missing, only the namespace counts as a failure.
 * `operations`: those of the findings.
 */
function withoutConsequences(
  findings: readonly Finding[],
  operations: readonly BoundOperation[],
  moves: ReadonlyMap<string, string>,
  now: State,
): Finding[] {
  return findings.map((finding, i) => {
    const operation = operations[i]
    if (!operation || finding.passed !== false) return finding
    const lost = operation.provides
      .map(readResource)
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
