const stepOfKind: Readonly<Record<string, string>> = { address: 'ip', route: 'up', sysctl: 'masquerade' }

/**
 * Which of the eight steps (netns, bridge, veth, attach-netns, attach-bridge, ip, up, masquerade) a kind of operation
 * belongs to: addresses to `ip`, routes to `up`, sysctls to `masquerade`, the others to the step of their own name.
 */
export function stepOf(kind: string): string {
  return stepOfKind[kind] ?? kind
}
