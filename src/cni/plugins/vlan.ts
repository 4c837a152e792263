import { settingsOf } from '../protocol/settings.ts'
import { mtuOf } from './bridge-config.ts'
import { refuseWithoutIpam } from './ipam-needed.ts'
import { linkPlugin } from './link.ts'
import { obstacleOf, parentOf, parentParams } from './parent.ts'

/** The vlan plugin: the container has the interface of one VLAN on the cable of another interface. */
export const vlan = linkPlugin({
  kind: 'vlan',
  config: async (call, kernel) => {
    const settings = settingsOf(call)
    settings.required('master', settings.text('master'))
    const own = { vlan: settings.whole('vlanId', 0, 4094) ?? 0, mtu: mtuOf(settings) }
    refuseWithoutIpam(call, 'vlan')
    const parent = await parentOf(call, kernel, settings)
    return { call, ...own, parent, mac: parent.link?.mac, usualMtu: parent.link?.mtu }
  },
  obstacle: ({ call, parent, mtu }) =>
    obstacleOf(parent, mtu, call) ??
    (parent.link?.up === false
      ? {
          problem: `"master": ${parent.name} is down, and so its VLANs would be`,
          fix: `bring it up with: ip link set dev ${parent.name} up`,
        }
      : undefined),
  link: ({ parent, vlan: id, mtu }, end) => ({
    kind: 'vlan',
    params: { ...parentParams(parent, end), vlan: id, mtu },
  }),
})
