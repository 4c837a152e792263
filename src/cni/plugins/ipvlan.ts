import { IPVLAN_MODES } from '../../operations/ipvlan.ts'
import { ipamType } from '../ipam/ipam.ts'
import type { Call } from '../protocol/plugin-type.ts'
import { EMPTY, type Result } from '../protocol/result.ts'
import { type Settings, settingsOf } from '../protocol/settings.ts'
import { mtuOf } from './bridge-config.ts'
import { refuseWithoutIpam } from './ipam-needed.ts'
import { requestedMac } from './container-end.ts'
import { linkPlugin } from './link.ts'
import { macObstacle, obstacleOf, parentOf, parentParams } from './parent.ts'

/**
 * The ipvlan plugin: each container shares the cable and the MAC address of an interface. In a chain, by default that of the
 * plugins before it, and their addresses.
 */
export const ipvlan = linkPlugin({
  kind: 'ipvlan',
  config: async (call, kernel) => {
    const settings = settingsOf(call)
    const own = { mode: settings.oneOf('mode', IPVLAN_MODES), mtu: mtuOf(settings), requested: requestedMac(call) }
    const given = givenTo(call)
    if (!given) refuseWithoutIpam(call, 'ipvlan')
    const parent = await parentOf(call, kernel, settings, () => chainedParent(call, settings))
    return { call, ...own, given, parent, mac: parent.link?.mac, usualMtu: parent.link?.mtu }
  },
  obstacle: ({ call, parent, mtu, requested }) =>
    obstacleOf(parent, mtu, call) ?? macObstacle(parent, requested, 'the type ipvlan'),
  completed: ({ given }, lease) => (given && lease.ips.length === 0 ? given : lease),
  link: ({ parent, mode, mtu }, end) => ({ kind: 'ipvlan', params: { ...parentParams(parent, end), mode, mtu } }),
})

/** The addresses of the plugins before this one, which are its own unless it has an IPAM plugin. */
function givenTo({ config, prevResult }: Call): Result | undefined {
  if (ipamType(config) !== undefined || !prevResult || prevResult.ips.length === 0) return undefined
  const { ips, routes, dns } = prevResult
  return { ...EMPTY, ips, routes, dns }
}

/** The only interface of the plugins before this one. */
function chainedParent({ prevResult }: Call, settings: Settings): string | undefined {
  if (!prevResult) return undefined
  const [first, ...others] = prevResult.interfaces
  if (first && others.length === 0 && first.name !== '') return first.name
  throw settings.refuse(
    'master',
    `it is missing, and the plugins before made ${prevResult.interfaces.length} interfaces`,
  )
}
