import { type Assertion, bindAssertion } from '../../assertions/registry.ts'
import { findObstacles } from '../../engine/obstacles.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import { bindOperation, bindPlan } from '../../operations/registry.ts'
import { correctionsFor } from '../../plan/corrections.ts'
import type { Finding } from '../../plan/finding.ts'
import { HOST, type State, UPLINK } from '../../state/state.ts'
import { hintsFor } from '../format/hints.ts'
import type { Lab, LabStep } from '../format/lab.ts'
import { allHold } from './assert.ts'
import { type LabCheckResult, isDone } from './check.ts'
import { trailOf } from './trail.ts'

/** A hint of a step, and its number, from 1. */
export interface NumberedHint {
  number: number
  text: string
}

/** The first failure, and what is true of it: the lab's hints for it, and what the program itself knows, in words. */
export interface FailureHelp {
  failure: Finding | undefined
  texts: string[]
  known: string[]
}

/** The hints of a step that are true now; none if it is done, or if all that it tells to do is. */
export async function trueHints(
  kernel: Kernel,
  step: LabStep,
  { findings, steps, now }: LabCheckResult,
): Promise<NumberedHint[]> {
  if (isDone(step, steps) || isBuilt(step, findings)) return []
  const hints: NumberedHint[] = []
  for (const [i, text] of step.hints.entries())
    if (await allHold(kernel, step.hintsIf[i] ?? [], now)) hints.push({ number: i + 1, text })
  return hints
}

/** Whether all operations of a step are done, so that only something else can keep its checks from passing. */
function isBuilt({ id, free, operations, run }: LabStep, findings: readonly Finding[]): boolean {
  if (free || operations.length === 0 || run.length > 0) return false
  const ids = new Set(operations.map((operation) => bindOperation(operation).id))
  return findings.every((one) => one.step !== id || !ids.has(one.id) || one.passed === true)
}

/** What can truly be said of the first failure. */
export async function helpWith(kernel: Kernel, lab: Lab, { findings, now }: LabCheckResult): Promise<FailureHelp> {
  const failure = findings.find(({ passed }) => passed === false)
  const step = lab.steps.find(({ id }) => id === failure?.step)
  if (!failure || !step) return { failure, texts: [], known: [] }
  const texts: string[] = []
  for (const { text, if: claims } of hintsFor(step, findings)) if (await allHold(kernel, claims, now)) texts.push(text)
  const check = step.checks.find((one) => bindAssertion(one).id === failure.id)
  const stray = now.get(HOST)?.strays?.find((name) => failure.id === `netns.${name}`)
  const known = check && !check.not ? await whatIsKnown(kernel, lab, check, findings, now) : []
  return {
    failure,
    texts,
    known: stray === undefined ? known : [`ip netns delete ${stray} removes that file`, ...known],
  }
}

/** Where a packet check fails, what is known: what is in the way, what is right, and where the packet was last seen. */
async function whatIsKnown(
  kernel: Kernel,
  lab: Lab,
  check: Assertion,
  findings: readonly Finding[],
  now: State,
): Promise<string[]> {
  const { test } = bindAssertion(check)
  if (test.by === 'state' || test.by === 'reading') return []
  const plan = bindPlan([...lab.start, ...lab.steps.flatMap(({ operations }) => operations)])
  const { own, foreign } = await findObstacles(kernel, now)
  const wrong = [...correctionsFor(plan, plan, now), ...own]
  const passed = findings.filter((one) => one.passed === true).length
  const packet =
    test.by === 'ping'
      ? { from: test.from, to: test.to }
      : test.by === 'seen'
        ? { from: test.from, to: UPLINK.gateway }
        : { from: test.from, to: test.call.protocol === 'dns' ? test.call.server : test.call.to }
  const trail = await trailOf(kernel, packet, now)
  return [
    ...wrong.map((one) => one.wrong),
    ...foreign.map((one) => `a rule lets packets be dropped: ${one.wrong}`),
    ...(passed === 0
      ? []
      : [`${passed} check${passed === 1 ? '' : 's'} before this one pass${passed === 1 ? 'es' : ''}`]),
    ...(trail === undefined ? [] : [trail]),
  ]
}
