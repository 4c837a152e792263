import type { Derived } from '../operations/registry.ts'

/** The namespaces and sysctls that a plan is about. */
export function scopeOf(operations: readonly Derived[]): {
  namespaces: ReadonlySet<string>
  sysctls: readonly string[]
} {
  const namespaces = new Set<string>()
  const sysctls = new Set<string>()
  for (const {
    operation: { kind, params },
  } of operations) {
    if (kind === 'netns') namespaces.add(params.name)
    if ('netns' in params && params.netns !== undefined) namespaces.add(params.netns)
    if (kind === 'veth' && params.peerNetns !== undefined) namespaces.add(params.peerNetns)
    if (kind === 'sysctl') sysctls.add(params.key)
  }
  return { namespaces, sysctls: [...sysctls] }
}
