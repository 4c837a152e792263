import type { Operation } from '../../operations/registry.ts'
import { ptpPlan, type PtpNetwork, ptpRoutes } from '../../plan/ptp-network.ts'
import { scopeOf } from '../../plan/scope.ts'
import type { State } from '../../state/state.ts'
import { CODE, CniError } from '../protocol/error.ts'
import { ipamType } from '../ipam/ipam.ts'
import type { Call } from '../protocol/plugin-type.ts'
import type { Result, ResultInterface } from '../protocol/result.ts'
import { settingsOf } from '../protocol/settings.ts'
import { attachmentPlugin } from './attach.ts'
import { seeingDrops } from './forward-drop.ts'
import { hostEnd } from './identity.ts'
import { mtuOf } from './bridge-config.ts'
import { containerEnd, containerRoutes, leasesOf, rankedRoutes, withGateways } from './container-end.ts'
import { ofCables } from './remove.ts'

/** The ptp plugin: each container has its own cable to the host, without a bridge. */
export const ptp = seeingDrops(
  attachmentPlugin<PtpNetwork>({
    config: ptpConfig,
    completed,
    plan,
    interfaces,
    checkScope: scopeOf, // the host's routes, too
    removal: ofCables(),
  }),
  (call) => (ptpConfig(call).masquerade ? hostEnd(call).name : undefined),
)

/** All keys of the reference's ptp plugin. */
function ptpConfig(call: Call): PtpNetwork {
  const settings = settingsOf(call)
  const masquerade = settings.flag('ipMasq') === true
  settings.oneOf('ipMasqBackend', ['iptables', 'nftables']) // we use nftables, whatever it says
  const mtu = mtuOf(settings)
  if (ipamType(call.config) === undefined)
    throw new CniError(
      CODE.config,
      'network configuration: "ipam" is missing',
      'in a ptp network only addresses distinguish containers: add, for example, "ipam": {"type": "host-local", "subnet": "10.22.0.0/16"}',
    )
  return { name: call.network, mtu, masquerade }
}

/** The IPAM result with gateways: everything goes through the gateway, which is the host. */
function completed(_config: PtpNetwork, lease: Result): Result {
  return { ...lease, ips: withGateways(lease) }
}

function plan(call: Call, config: PtpNetwork, netns: string, result: Result, now?: State): Operation[] {
  const leases = leasesOf(result)
  const routes = rankedRoutes(ptpRoutes(leases, containerRoutes(result)), netns, now)
  return ptpPlan(config, containerEnd(call, netns, result, now !== undefined), leases, routes)
}

function interfaces(call: Call, { mtu = 1500 }: PtpNetwork, netns: string, wanted: Result): ResultInterface[] {
  const { host, mac } = containerEnd(call, netns, wanted)
  return [
    { ...host, mtu },
    { name: call.ifname, mac, mtu, sandbox: call.netns },
  ]
}
