import type { BoundOperation } from '../operations/registry.ts'
import { type Reads, readResource } from '../operations/operation.ts'
import { HOST } from '../state/state.ts'

/** What must be read from the kernel to judge a plan, or to undo it. */
export interface PlanScope {
  /** Undefined for all. */
  namespaces: ReadonlySet<string> | undefined
  /** Keys of sysctls, by namespace. */
  sysctls: ReadonlyMap<string, readonly string[]>
  /** The namespaces whose rules, and whose VLANs, to read. */
  rules: ReadonlySet<string>
  vlans: ReadonlySet<string>
}

/** The scope of a plan. */
export function scopeOf(operations: readonly BoundOperation[]): PlanScope {
  const reads = operations.map((operation) => operation.reads)
  const everywhere = reads.some(({ namespaces }) => namespaces === 'everywhere')
  const named = reads.flatMap(({ namespaces }) => (namespaces === 'everywhere' ? [] : namespaces))
  return {
    namespaces: everywhere ? undefined : new Set(named),
    sysctls: sysctlsOf(reads),
    rules: new Set(reads.flatMap(({ netns = HOST, rules }) => (rules === true ? [netns] : []))),
    vlans: new Set(reads.flatMap(({ netns = HOST, vlans }) => (vlans === true ? [netns] : []))),
  }
}

function sysctlsOf(all: readonly Reads[]): Map<string, string[]> {
  const keys = new Map<string, string[]>()
  for (const { netns = HOST, sysctls = [] } of all)
    if (sysctls.length > 0) keys.set(netns, [...new Set([...(keys.get(netns) ?? []), ...sysctls])])
  return keys
}

/** Like `scopeOf`, but on the host only the links and tables that the plan names: not those of a thousand other containers. */
export function narrowScopeOf(
  operations: readonly BoundOperation[],
): PlanScope & { links: string[]; tables: string[] } {
  const hostLinks = operations
    .flatMap(({ needs, provides }) => [...needs, ...provides])
    .map(readResource)
    .filter(({ what, netns }) => what === 'link' && netns === HOST)
  return {
    ...scopeOf(operations),
    links: [...new Set(hostLinks.map(({ ifname }) => ifname))],
    tables: [...new Set(operations.flatMap(({ tables }) => tables))],
  }
}
