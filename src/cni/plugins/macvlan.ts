import { MACVLAN_MODES } from '../../operations/macvlan.ts'
import { ownMacRule } from '../../rules/mac.ts'
import { settingsOf } from '../protocol/settings.ts'
import { mtuOf } from './bridge-config.ts'
import { requestedMac } from './container-end.ts'
import { linkPlugin } from './link.ts'
import { macObstacle, obstacleOf, parentOf, parentParams } from './parent.ts'

/** The macvlan plugin: each container is one more machine on the cable of an interface. */
export const macvlan = linkPlugin({
  kind: 'macvlan',
  config: async (call, kernel) => {
    const settings = settingsOf(call)
    const own = {
      mode: settings.oneOf('mode', MACVLAN_MODES),
      mtu: mtuOf(settings),
      bcqueuelen: settings.whole('bcqueuelen', 0, 0xffff_ffff) || undefined,
    }
    const requested = requestedMac(call) ?? settings.byRule('mac', ownMacRule)
    const parent = await parentOf(call, kernel, settings)
    // In this mode the kernel gives it that of its parent.
    const mac = own.mode === 'passthru' ? parent.link?.mac : requested
    return { call, ...own, requested, mac, parent, usualMtu: parent.link?.mtu }
  },
  obstacle: ({ call, parent, mode, mtu, requested }) =>
    obstacleOf(parent, mtu, call) ??
    (mode === 'passthru' ? macObstacle(parent, requested, '"mode": "passthru"') : undefined),
  link: ({ parent, mode, mtu, bcqueuelen }, end) => ({
    kind: 'macvlan',
    params: { ...parentParams(parent, end), mode, mtu, bcqueuelen },
  }),
})
