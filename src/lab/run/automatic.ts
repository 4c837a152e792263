import { type Assertion, bindAssertion } from '../../assertions/registry.ts'
import { CnilabError } from '../../errors.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import { startInternet } from '../../kernel/packets.ts'
import type { Progress } from '../../kernel/run.ts'
import type { LabStep, Runnable, RunnableStep } from '../format/lab.ts'
import { isLarge } from '../format/large.ts'
import { overlaps } from '../../ip-arithmetic.ts'
import { type Resource, resource } from '../../operations/operation.ts'
import { bindOperation } from '../../operations/registry.ts'
import { toLine } from '../../plan/command-line.ts'
import { type Finding, toFindings } from '../../plan/finding.ts'
import { inOrder } from '../../plan/order.ts'
import { type PlanScope, scopeOf } from '../../plan/scope.ts'
import { HOST, INTERNET, type State } from '../../state/state.ts'
import { assert, callsInternet, needsInternet } from './assert.ts'
import { doPlan } from '../../engine/do.ts'
import { lostGround } from './ground.ts'
import { endOf, isOverSometime } from './lasting.ts'
import { effectsOf, withEffects } from './prove.ts'
import { type CommandOutput, failuresOf, runCommands } from './steps.ts'

/** The outcome of one step. */
export interface StepReport {
  id: string
  title: string
  status: 'done' | 'already' | 'failed' | 'skipped' | 'pending'
  /** Lines that can be pasted into a shell. */
  commands: string[]
  findings: Finding[]
  /** How long applying its operations took, in milliseconds. */
  ms: number
}

/** The outcome of a lab, before its teardown. */
export interface LabReport {
  steps: StepReport[]
  /** The findings of all its assertions. */
  checks: Finding[]
  /** Why it stopped early. */
  error?: CnilabError
}

/** Callbacks for showing a run while it goes on. */
export interface LabEvents {
  /** Called before each step. */
  stepStarts?: (step: RunnableStep, report: StepReport) => void
  /** Called while a step's commands run. */
  progressed?: Progress
  /** Called after a command of the lab was run. */
  ran?: (run: CommandOutput) => void
  /** Called after an assertion was tried. */
  checked?: (finding: Finding) => void
  /** Called and awaited after each step, even one that failed or was interrupted, unless `stepStarts` threw. */
  stepEnds?: (step: RunnableStep, report: StepReport) => Promise<void>
}

/**
 * Does the steps of a lab in order and checks each, in the kernel and with real packets. Does not throw if something goes
 * wrong in the lab: the report says so, and later steps stay `pending`. `owner` is the attachment that it is done for, if
 * any: `network/container/interface`.
 */
export async function runLab(
  kernel: Kernel,
  lab: Runnable,
  events: LabEvents,
  signal: AbortSignal,
  owner?: string,
): Promise<LabReport> {
  const steps = lab.steps.map(emptyReport)
  const checks: Finding[] = []
  const start = lab.start ?? []
  const judgeEach = !isLarge(lab)
  const checked = (finding: Finding) => {
    checks.push(finding)
    events.checked?.(finding)
  }
  const provided = new Set<Resource>()
  try {
    let now = await kernel.read(scopeFrom(lab, 0))
    refuseOverlaps(lab, now)
    if (start.length > 0) {
      await doPlan(kernel, start, { now, signal })
      now = await kernel.read(scopeFrom(lab, 0))
    }
    // It starts while the steps are done; if it cannot, the check that needs it says why.
    if (now.has(INTERNET) && checksOf(lab).some(callsInternet)) void startInternet(kernel.host).catch(() => undefined)
    for (const [i, step] of lab.steps.entries()) {
      const report = steps[i] ?? emptyReport(step)
      signal.throwIfAborted()
      events.stepStarts?.(step, report)
      try {
        const bound = step.operations.map(bindOperation)
        // If the step is already done, what held before it can no longer be tried.
        const isThere = bound.length > 0 && bound.every((operation) => operation.judge(now).status === 'present')
        const beforeHeld = isThere || (await tryAll(kernel, step.before ?? [], step.id, now, signal, checked))
        const { done, ms } = await doPlan(kernel, step.operations, {
          now,
          provided,
          signal,
          progress: events.progressed,
          owner,
        })
        for (const one of bound.flatMap((operation) => operation.provides)) provided.add(one)
        const own = new Set(bound.map(({ id }) => id))
        const first = done.filter(({ status, operation }) => status === 'done' && !own.has(operation.id))
        for (const { tool, argv, netns } of first.flatMap(({ operation }) => operation.apply)) {
          report.commands.unshift(toLine({ tool, argv, netns }, '1'))
          events.ran?.({ command: { argv: [tool, ...argv], netns }, output: '' })
        }
        report.ms = Math.round(ms * 10) / 10
        const runs = await runCommands(kernel, step.run ?? [])
        for (const run of runs) events.ran?.(run)
        const failures = failuresOf(runs, step.id)
        for (const failure of failures) checked(failure)
        if (judgeEach) {
          now = await kernel.read(scopeFrom(lab, i))
          report.findings = step.free === true ? [] : toFindings(bound, now, step.id)
        }
        const checksHold = await tryAll(kernel, step.checks ?? [], step.id, now, signal, checked)
        const lastingHold =
          judgeEach || i === steps.length - 1 ? await stillHold(kernel, lab, i, now, signal, checked) : true
        const holds =
          beforeHeld &&
          checksHold &&
          lastingHold &&
          failures.length === 0 &&
          report.findings.every((finding) => finding.passed === true)
        report.status = !holds
          ? 'failed'
          : isThere && done.every(({ status }) => status === 'already')
            ? 'already'
            : 'done'
      } catch (error) {
        if (!isInterruption(error, signal)) report.status = 'failed'
        throw error
      } finally {
        await events.stepEnds?.(step, report) // in any case: somebody is drawing it
      }
      if (report.status === 'failed') break
    }
    if (!judgeEach) await judgeAll(kernel, lab, steps)
  } catch (error) {
    if (isInterruption(error, signal))
      return { steps, checks, error: new CnilabError('interrupted', 'interrupted before the end') }
    if (!(error instanceof CnilabError)) throw error
    return { steps, checks, error }
  }
  return { steps, checks }
}

function isInterruption(error: unknown, signal: AbortSignal): boolean {
  return signal.aborted || (error instanceof CnilabError && error.kind === 'interrupted')
}

/**
 * What to read between a step and the next: the scope of all up to that, or for a large lab of all steps; everything if
 * checks need more than packets.
 */
function scopeFrom(lab: Runnable, i: number): PlanScope | undefined {
  if (checksOf(lab).some((check) => !['ping', 'seen'].includes(bindAssertion(check).test.by))) return undefined
  return scopeOf(
    (isLarge(lab) ? lab.steps : lab.steps.slice(0, i + 2)).flatMap((step) => step.operations).map(bindOperation),
  )
}

function checksOf(lab: Runnable): Assertion[] {
  return lab.steps.flatMap(({ before = [], checks = [] }) => [...before, ...checks])
}

function emptyReport(step: RunnableStep): StepReport {
  const applied = step.operations.flatMap((operation) => bindOperation(operation).apply)
  const commands = applied.map((command) => toLine(command, '1'))
  return { id: step.id, title: step.title, status: 'pending', commands, findings: [], ms: 0 }
}

/** Tries the assertions that must hold before a step. */
export async function tryBefore(kernel: Kernel, step: LabStep, now: State): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const assertion of step.before) findings.push(await assert(kernel, assertion, step.id, now))
  return findings
}

/**
 * Tries assertions, and reports them in order; returns whether none failed. Packets to the internet change nothing for each
 * other: they are on their way side by side. All else waits until what comes before it is over.
 */
async function tryAll(
  kernel: Kernel,
  assertions: readonly Assertion[],
  step: string,
  now: State,
  signal: AbortSignal,
  checked: (finding: Finding) => void,
): Promise<boolean> {
  let holds = true
  for (const group of sideBySide(assertions)) {
    signal.throwIfAborted()
    const findings = await Promise.all(group.map((assertion) => assert(kernel, assertion, step, now)))
    for (const finding of findings) {
      checked(finding)
      holds &&= finding.passed !== false
    }
  }
  return holds
}

/** Neighbouring assertions that can be tried at once, in groups. */
function sideBySide(assertions: readonly Assertion[]): Assertion[][] {
  const groups: Assertion[][] = []
  for (const assertion of assertions) {
    const last = groups.at(-1)
    if (last && areIndependent([...last, assertion])) last.push(assertion)
    else groups.push([assertion])
  }
  return groups
}

/** Whether all of them only call the internet. Who calls it is noted in one place: only one of them can ask that at a time. */
function areIndependent(assertions: readonly Assertion[]): boolean {
  const tests = assertions.map((assertion) => bindAssertion(assertion).test)
  return tests.every(needsInternet) && tests.filter(({ by }) => by === 'seen').length < 2
}

/**
 * Judges again, after a step, what the steps before it made and checked: it has to hold to the end of the lab, unless it says
 * until when. Reports only what does not hold any more; returns whether all does.
 */
async function stillHold(
  kernel: Kernel,
  lab: Runnable,
  at: number,
  now: State,
  signal: AbortSignal,
  checked: (finding: Finding) => void,
): Promise<boolean> {
  let holds = true
  const broken = (finding: Finding, earlier: RunnableStep) => {
    holds = false
    const actual = `${finding.actual}; it was right after step ${earlier.id}, and is not after step ${lab.steps[at]?.id}`
    checked({ ...finding, actual })
  }
  for (const finding of await lostGround(kernel, lab, lab.steps[at]?.id ?? '', now)) {
    holds = false
    checked(finding)
  }
  for (const step of lab.steps.slice(0, at)) {
    signal.throwIfAborted()
    const lasts = ({ id }: { id: string }) => at < endOf(lab, step, id)
    // A large lab is judged as a whole, at the end.
    const bound = isLarge(lab) || step.free === true ? [] : step.operations.map(bindOperation).filter(lasts)
    const effects = await effectsOf(kernel, bound, now)
    for (const finding of withEffects(toFindings(bound, now, step.id), effects))
      if (finding.passed === false) broken(finding, step)
    for (const check of step.checks ?? []) {
      if (!lasts(bindAssertion(check))) continue
      const finding = await assert(kernel, check, step.id, now)
      if (finding.passed === false) broken(finding, step)
    }
  }
  return holds
}

/** Judges everything at once, for labs that are too large to read after each step. */
async function judgeAll(kernel: Kernel, lab: Runnable, steps: readonly StepReport[]): Promise<void> {
  const judged = lab.steps.filter((step) => step.free !== true)
  const bound = judged.flatMap((step) =>
    step.operations
      .map((operation) => ({ step: step.id, operation: bindOperation(operation) }))
      .filter(({ operation }) => !isOverSometime(lab, step, operation.id)),
  )
  const operations = inOrder(bound.map(({ operation }) => operation))
  const stepOf = new Map(bound.map(({ operation, step }) => [operation, step]))
  const findings = toFindings(operations, await kernel.read(scopeOf(operations)))
  for (const report of steps) {
    report.findings = findings.flatMap((finding, i) =>
      operations[i] && stepOf.get(operations[i]) === report.id ? [{ ...finding, step: report.id }] : [],
    )
    if (report.status !== 'pending' && report.findings.some((finding) => finding.passed !== true))
      report.status = 'failed'
  }
}

/** Refuses a lab whose subnet would hide a network that the host already reaches. */
function refuseOverlaps(lab: Runnable, now: State): void {
  const operations = lab.steps.flatMap((step) => step.operations).map(bindOperation)
  const own = new Set<string>(operations.flatMap(({ provides }) => provides))
  const addresses = operations.flatMap((operation) => operation.addresses).filter(({ netns }) => netns === undefined)
  for (const route of now.get(HOST)?.routes ?? []) {
    const onOthers = addresses.filter(({ ifname }) => ifname !== route.dev).map(({ address }) => address)
    const taken = [...(lab.subnets ?? []), ...onOthers].find(
      (subnet) =>
        route.dst !== 'default' &&
        overlaps(subnet, route.dst.includes('/') ? route.dst : `${route.dst}/${route.family === 'inet' ? 32 : 128}`),
    )
    if (taken === undefined || own.has(resource.link(route.dev ?? ''))) continue
    const words = `${route.dst}${route.via === undefined ? '' : ` via ${route.via}`}${route.dev === undefined ? '' : ` dev ${route.dev}`}`
    throw new CnilabError('state', `the subnet ${taken} overlaps a route of the host: ${words}`, {
      fix: 'choose another subnet, for example: --set subnet=10.99.0.0/16',
    })
  }
}
