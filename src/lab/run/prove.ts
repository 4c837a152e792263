import type { Kernel } from '../../kernel/kernel.ts'
import type { Proof } from '../../operations/operation.ts'
import type { BoundOperation } from '../../operations/registry.ts'
import type { Finding } from '../../plan/finding.ts'
import { INTERNET, type State } from '../../state/state.ts'
import { callersOf } from './callers.ts'

/** How long a call may take to reach the internet, in seconds. */
const PATIENCE = 0.2

/** What could be seen of an effect, as a sentence, and whether that proves it; otherwise it may or may not be there. */
export interface Effect {
  isThere: boolean
  actual: string
}

/**
 * What can be seen of the effects of operations that were done in another way than ours, by the operations' ids: what counts
 * is what becomes of packets. Tries nothing for what is there as it is made by us.
 */
export async function effectsOf(
  kernel: Kernel,
  operations: readonly BoundOperation[],
  now: State,
): Promise<Map<string, Effect>> {
  const effects = new Map<string, Effect>()
  for (const operation of operations) {
    if (operation.judge(now).status === 'present') continue
    const effect = await tryProof(kernel, operation.proof(now), now)
    if (effect) effects.set(operation.id, effect)
  }
  return effects
}

/** Tries a proof; undefined if nothing can be seen of the effect. */
export async function tryProof(kernel: Kernel, proof: Proof | undefined, now: State): Promise<Effect | undefined> {
  if (!proof) return undefined
  const shown = (text: string | undefined) =>
    text === undefined ? undefined : { isThere: true, actual: `it is done in another way: ${text}` }
  if (proof.by === 'reading') {
    const { code, stdout } = await kernel.probe(proof.argv, proof.netns, proof.input)
    return code === 0 ? shown(proof.shows(stdout)) : undefined
  }
  if (kernel.host.kind === 'machine' || !now.has(INTERNET)) return undefined
  const callers = (await callersOf(kernel, proof.from, PATIENCE)) ?? []
  if (callers.length === 0 && proof.unclear !== undefined) return { isThere: false, actual: proof.unclear }
  return shown(proof.shows(callers))
}

/** Findings in which what packets prove has passed, and the rest says what could be seen. */
export function withEffects(findings: readonly Finding[], effects: ReadonlyMap<string, Effect>): Finding[] {
  return findings.map((finding) => {
    const effect = effects.get(finding.id)
    if (!effect) return finding
    return { ...finding, actual: effect.actual, ...(effect.isThere ? { passed: true, fix: [] } : {}) }
  })
}
