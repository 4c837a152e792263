/** The eight steps by which a container gets its network, in order. */
export const steps = [
  { id: 'netns', title: 'Create a network namespace' },
  { id: 'bridge', title: 'Create a bridge' },
  { id: 'veth', title: 'Create a veth pair' },
  { id: 'attach-netns', title: 'Attach one end to the namespace' },
  { id: 'attach-bridge', title: 'Attach the other end to the bridge' },
  { id: 'ip', title: 'Assign IP addresses' },
  { id: 'up', title: 'Bring the interfaces up' },
  { id: 'masquerade', title: 'Enable NAT (masquerade)' },
] as const

/** The id of one of the eight steps. */
export type StepId = (typeof steps)[number]['id']

const stepOfKind: Record<string, StepId> = { address: 'ip', route: 'up', sysctl: 'masquerade' }

/** The step to which a kind of operation belongs: addresses to `ip`, routes to `up`, sysctls to `masquerade`. */
export function stepOf(kind: string): string {
  return stepOfKind[kind] ?? kind
}
