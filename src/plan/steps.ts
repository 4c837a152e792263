const stepOfKind: Readonly<Record<string, string>> = {
  address: 'ip',
  route: 'up',
  sysctl: 'masquerade',
  'network-masquerade': 'masquerade',
  'masqueraded-address': 'masquerade',
  'port-forwarding': 'masquerade',
  'port-forward': 'masquerade',
  'forward-masquerade': 'masquerade',
  'mac-spoof-check': 'attach-bridge',
  'port-vlans': 'attach-bridge',
  promiscuous: 'bridge',
  vlan: 'bridge',
}

/**
 * Which of the eight steps (netns, bridge, veth, attach-netns, attach-bridge, ip, up, masquerade) a kind of operation
 * belongs to: addresses to `ip`, routes to `up`, what concerns a bridge's port to `attach-bridge`, what concerns the bridge to `bridge`, sysctls to
 * `masquerade`, the others to the step of their own name.
 */
export function stepOf(kind: string): string {
  return stepOfKind[kind] ?? kind
}
