import type { Kernel } from '../../kernel/kernel.ts'
import { KernelError } from '../../kernel/run.ts'
import { isIpv6, overlaps } from '../../ip-arithmetic.ts'
import { ip } from '../../operations/operation.ts'
import type { Operation } from '../../operations/registry.ts'
import { cutBy, lifelinesOf } from '../../plan/cut-off.ts'
import { bridgePlan, gatewayOf } from '../../plan/bridge-network.ts'
import { findLink, type State } from '../../state/state.ts'
import type { MachineLock } from '../host.ts'
import { CODE, CniError } from '../protocol/error.ts'
import type { Call } from '../protocol/plugin-type.ts'
import type { Result, ResultInterface } from '../protocol/result.ts'
import { attachmentPlugin, type AttachmentType } from './attach.ts'
import { type BridgeConfig, bridgeConfig } from './bridge-config.ts'
import {
  containerEnd,
  containerRoutes,
  leasesOf,
  rankedRoutes,
  withGateways,
  withoutOwnSubnets,
} from './container-end.ts'
import { awaitDuplicateDetection } from './duplicates.ts'
import { seeingDrops } from './forward-drop.ts'
import { ofCables } from './remove.ts'

/** The parts of the bridge plugin: containers on a bridge of the host, with veth pairs, addresses, routes, masquerading. */
export const bridgeType: AttachmentType<BridgeConfig> = {
  completed,
  plan,
  makeWay: clearAddresses,
  settle,
  interfaces,
  removal: ofCables({ guards: true }), // whatever the configuration says by the time of DEL
  explain: (config, error) => (config.vlans ? explainVlans(error) : error),
}

/** The plugin `bridge`: answers all of its calls. Throws CniError, as all plugins do. */
export const bridge = seeingDrops(attachmentPlugin({ ...bridgeType, config: bridgeConfig }), (call) => {
  const config = bridgeConfig(call)
  return config.masquerade ? gatewayOf(config) : undefined
})

async function settle(
  kernel: Kernel,
  call: Call,
  config: BridgeConfig,
  netns: string,
  { ips }: Result,
  before: State,
  unlocked: MachineLock['without'],
): Promise<State> {
  if (config.detectDuplicates && ips.some(({ address }) => isIpv6(address)))
    await unlocked(async () => {
      await awaitDuplicateDetection(kernel, call.ifname, netns)
      await awaitDuplicateDetection(kernel, gatewayOf(config), undefined)
    })
  const there = findLink(before, config.bridge)
  // A bridge without a fixed MAC takes that of a port, and perhaps its MTU.
  return there && there.mac !== config.bridgeMac
    ? kernel.read({ namespaces: new Set(), links: [config.bridge] })
    : before
}

/** Explains an error of the kernel that means that it does not support VLANs. */
function explainVlans(error: unknown): unknown {
  if (!(error instanceof KernelError) || !/^(Operation not supported|Unknown device type)/.test(error.message))
    return error
  return new CniError(
    CODE.kernel,
    'this kernel cannot filter VLANs on a bridge',
    `"vlan" and "vlanTrunk" need a kernel with CONFIG_BRIDGE_VLAN_FILTERING, and a gateway in a VLAN CONFIG_VLAN_8021Q; the command was: ${error.command ?? 'ip link add … vlan_filtering 1'}`,
  )
}

/** The IPAM result, with the gateways and the default route that the configuration asks for. */
function completed(config: BridgeConfig, lease: Result): Result {
  const ips = config.isGateway ? withGateways(lease) : lease.ips
  const defaults = ['0.0.0.0/0', '::/0'].flatMap((dst) => {
    const first = ips.find(({ address }) => isIpv6(address) === isIpv6(dst))
    return !first || lease.routes.some((route) => route.dst === dst)
      ? []
      : [{ dst, ...(first.gateway === undefined ? {} : { gw: first.gateway }) }]
  })
  return { ...lease, ips, routes: config.isDefaultGateway ? [...lease.routes, ...defaults] : lease.routes }
}

/** Steps 2 to 8 for this call. */
function plan(call: Call, config: BridgeConfig, netns: string, result: Result, now?: State): Operation[] {
  const leases = leasesOf(result)
  const routes = rankedRoutes(withoutOwnSubnets(containerRoutes(result), leases), netns, now)
  return bridgePlan(config, containerEnd(call, netns, result, now !== undefined), leases, routes)
}

/** A bridge has one IPv4 address, and no two in one IPv6 subnet; `forceAddress` removes the others. */
async function clearAddresses(
  kernel: Kernel,
  config: BridgeConfig,
  { ips }: Result,
  now: State,
): Promise<(() => Promise<void>) | undefined> {
  if (!config.isGateway) return undefined
  const wanted = ips.flatMap(({ address, gateway }) =>
    gateway === undefined ? [] : [`${gateway}/${address.split('/')[1] ?? ''}`],
  )
  const ifname = gatewayOf(config)
  const there = (findLink(now, ifname)?.addresses ?? []).filter(({ scope }) => scope !== 'link')
  const other = there
    .map(({ address, prefix }) => `${address}/${prefix}`)
    .filter((one) => !wanted.includes(one))
    .filter((one) => wanted.some((own) => isIpv6(own) === isIpv6(one) && (!isIpv6(own) || overlaps(own, one))))
  const [first] = other
  if (first === undefined) return undefined
  if (!config.forceAddress)
    throw new CniError(
      CODE.exists,
      `${ifname} already has the address ${first}, not ${wanted.join(', ')}`,
      (await isNeeded(kernel, first, ifname))
        ? 'this machine is reached through that address: name another "bridge"'
        : findLink(now, config.bridge)?.mac === config.bridgeMac
          ? `another network uses it, or its subnet was changed: name another "bridge", set "forceAddress": true, or remove it with: ip address delete ${first} dev ${ifname}`
          : 'that is not an address of containers, as somebody else made the bridge: name another "bridge"',
    )
  const all = (act: 'add' | 'delete') =>
    kernel.run(other.map((one) => ip(undefined, 'address', act, one, 'dev', ifname)))
  await all('delete')
  return () => all('add')
}

/** Whether the machine would be cut off without an address. */
async function isNeeded(kernel: Kernel, address: string, ifname: string): Promise<boolean> {
  const now = await kernel.read({ namespaces: new Set() })
  return cutBy(ip(undefined, 'address', 'delete', address, 'dev', ifname), lifelinesOf(now, []), now) !== undefined
}

function interfaces(call: Call, config: BridgeConfig, netns: string, wanted: Result, now: State): ResultInterface[] {
  const end = containerEnd(call, netns, wanted)
  const mtu = config.mtu ?? 1500
  const { mac, mtu: size } = findLink(now, config.bridge) ?? { mac: config.bridgeMac, mtu }
  const gateway = gatewayOf(config)
  return [
    { name: config.bridge, mac, mtu: size },
    { name: end.host.name, mac: end.host.mac, mtu },
    { name: call.ifname, mac: end.mac, mtu, sandbox: call.netns },
    // Last, as in the reference. A new VLAN interface has the MAC of its bridge.
    ...(config.isGateway && gateway !== config.bridge
      ? [{ name: gateway, mac: findLink(now, gateway)?.mac ?? mac, mtu: size }]
      : []),
  ]
}
