import { readResource, type Resource } from '../operations/operation.ts'
import type { BoundOperation } from '../operations/registry.ts'

/**
 * The operations of a plan, each after what it needs: an interface or a namespace that is listed only later is made before it,
 * and what needs a gateway within reach waits for all addresses of its namespace, as any of them may bring that about.
 */
export function inOrder(plan: readonly BoundOperation[]): BoundOperation[] {
  const providers = providersIn(plan)
  const ordered = new Set<BoundOperation>()
  const visited = new Set<number>()
  const waiting = new Set<number>()
  const isReady = ({ needs }: BoundOperation) =>
    needs.filter(isReach).every((need) => (providers.get(need) ?? []).every((one) => visited.has(one)))
  const visit = (index: number) => {
    const operation = plan[index]
    if (!operation || visited.has(index)) return
    if (!isReady(operation)) return void waiting.add(index)
    visited.add(index)
    for (const need of operation.needs) {
      const all = isReach(need) ? [] : (providers.get(need) ?? [])
      // An interface may be made again after it was moved away: the one that comes before is meant.
      if (all.every((one) => one > index)) for (const one of all) visit(one)
    }
    ordered.add(operation)
    waiting.delete(index)
    if (operation.provides.some(isReach)) for (const one of waiting) visit(one)
  }
  for (const index of plan.keys()) visit(index)
  return [...ordered, ...plan.filter((_, index) => waiting.has(index))]
}

/** Whether a resource is that gateways are within reach, to which each address and each interface that is up may add. */
const isReach = (one: Resource) => readResource(one).what === 'onlink'

/** The indices of the operations that provide a resource. */
function providersIn(plan: readonly BoundOperation[]): Map<Resource, number[]> {
  const providers = new Map<Resource, number[]>()
  for (const [index, { provides }] of plan.entries())
    for (const one of provides) {
      const known = providers.get(one)
      if (known) known.push(index)
      else providers.set(one, [index])
    }
  return providers
}
