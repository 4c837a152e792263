import { KernelError } from '../../kernel/run.ts'
import type { Operation } from '../../operations/registry.ts'
import type { ContainerEnd } from '../../plan/container.ts'
import { linkPlan } from '../../plan/link-network.ts'
import { CODE, CniError } from '../protocol/error.ts'
import type { PluginType } from '../protocol/plugin-type.ts'
import { attachmentPlugin, type ConfiguredType } from './attach.ts'
import { containerEnd, containerRoutes, leasesOf, rankedRoutes, withoutOwnSubnets } from './container-end.ts'
import { ofLinks } from './remove-link.ts'

/** What all types need to know whose interface is in the container alone. */
interface LinkConfig {
  /** The MTU that is configured, and that of an interface without. */
  mtu: number | undefined
  usualMtu: number | undefined
  /** The MAC address, unless the runtime requests another. */
  mac: string | undefined
}

/** The parts in which such types differ. */
interface LinkType<C> extends Pick<ConfiguredType<C>, 'config' | 'obstacle'> {
  /** The type of the interface in ip-link(8). */
  kind: string
  /** The operation that makes it. */
  link: (config: C, end: ContainerEnd) => Operation
  completed?: ConfiguredType<C>['completed']
}

/** A plugin whose interface is in the container, and has no end on the host. */
export function linkPlugin<C extends LinkConfig>({ kind, link, ...type }: LinkType<C>): PluginType {
  return attachmentPlugin<C>({
    completed: (_config, lease) => lease,
    ...type,
    plan: (call, config, netns, result, now) => {
      const leases = leasesOf(result)
      const end = containerEnd(call, netns, result, now !== undefined, config.mac)
      const routes = rankedRoutes(withoutOwnSubnets(containerRoutes(result), leases), netns, now)
      return linkPlan(link(config, end), end, leases, routes)
    },
    interfaces: (call, config, netns, wanted) => {
      const { mac } = containerEnd(call, netns, wanted, false, config.mac)
      return [{ name: call.ifname, mac, mtu: config.mtu ?? config.usualMtu, sandbox: call.netns }]
    },
    removal: ofLinks(kind),
    explain: (_config, error) => explainLack(kind, error),
  })
}

/** Explains an error of the kernel that means that it has no interfaces of this kind. */
function explainLack(kind: string, error: unknown): unknown {
  if (!(error instanceof KernelError) || !/^(Operation not supported|Unknown device type)/.test(error.message))
    return error
  return new CniError(
    CODE.kernel,
    `this kernel has no interfaces of the type ${kind}`,
    `it needs the module ${error.modules ?? kind}, which modprobe loads if it is installed; the command was: ${error.command ?? `ip link add … type ${kind}`}`,
  )
}
