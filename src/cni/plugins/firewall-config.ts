import { INGRESS, type Ingress } from '../../operations/firewall.ts'
import type { Call } from '../protocol/plugin-type.ts'
import { settingsOf } from '../protocol/settings.ts'

/** What a configuration wants of the host's firewall. */
export interface FirewallConfig {
  ingress: Ingress
  /** The chains, if they are there, that the administrator fills and that come first. */
  first: readonly string[]
}

/** The chain that Docker keeps for the administrator. */
const DOCKER = 'DOCKER-USER'

/**
 * Parses the firewall plugin's part of a call's configuration: all keys of the reference's. We use nftables, whatever "backend"
 * says; firewalld's own chains are let through as others. Throws CniError `config`.
 */
export function firewallConfig(call: Call): FirewallConfig {
  const settings = settingsOf(call)
  settings.oneOf('backend', ['iptables', 'firewalld', 'nftables'])
  settings.text('firewalldZone')
  const admin = settings.text('iptablesAdminChainName') ?? 'CNI-ADMIN'
  if (!/^[A-Za-z][\w-]{0,28}$/.test(admin))
    throw settings.refuse('iptablesAdminChainName', `'${admin}' is no name of a chain`)
  return { ingress: settings.oneOf('ingressPolicy', INGRESS) ?? 'open', first: [admin, DOCKER] }
}
