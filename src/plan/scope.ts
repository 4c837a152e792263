import type { Derived } from '../operations/registry.ts'
import { readResource } from '../operations/operation.ts'
import { REDIRECTS } from '../operations/sysctl.ts'
import { HOST } from '../state/state.ts'

/** What of the kernel has to be read to judge a plan, or to undo it. */
export interface PlanScope {
  /** Undefined: all of them. */
  namespaces: ReadonlySet<string> | undefined
  sysctls: readonly string[]
  rules: boolean
  vlans: boolean
}

/** The namespaces, sysctls and rules that a plan is about. */
export function scopeOf(operations: readonly Derived[]): PlanScope {
  const namespaces = new Set<string>()
  const sysctls = new Set<string>()
  for (const {
    operation: { kind, params },
  } of operations) {
    if (kind === 'netns') namespaces.add(params.name)
    if ('netns' in params && params.netns !== undefined) namespaces.add(params.netns)
    if (kind === 'veth' && params.peerNetns !== undefined) namespaces.add(params.peerNetns)
    if (kind !== 'sysctl') continue
    sysctls.add(params.key)
    sysctls.add(REDIRECTS) // written by the kernel along with ip_forward
  }
  // Forwarding stays on as long as a rule masquerades.
  const rules = operations.some(
    ({ operation: { kind }, tables }) => kind === 'masquerade' || kind === 'sysctl' || tables.length > 0,
  )
  const vlans = operations.some(({ operation: { kind } }) => kind === 'port-vlans')
  // The ends of a cable that was made on the host may have been moved anywhere.
  const everywhere = operations.some(
    ({ operation: { kind, params } }) => kind === 'veth' && params.peerNetns === undefined,
  )
  return { namespaces: everywhere ? undefined : namespaces, sysctls: [...sysctls], rules, vlans }
}

/** The same, but of the host only the links and tables that the plan names: not all that a thousand containers have. */
export function narrowScopeOf(operations: readonly Derived[]): PlanScope & { links: string[]; tables: string[] } {
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
