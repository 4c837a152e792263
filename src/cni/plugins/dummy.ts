import { refuseWithoutIpam } from './ipam-needed.ts'
import { linkPlugin } from './link.ts'

/** The dummy plugin: the container has an interface that leads nowhere, for an address. */
export const dummy = linkPlugin({
  kind: 'dummy',
  config: (call) => {
    refuseWithoutIpam(call, 'dummy')
    return { mtu: undefined, usualMtu: 1500, mac: undefined }
  },
  link: (_config, { ifname, netns, mac, owner }) => ({
    kind: 'dummy',
    params: { name: ifname, netns, mark: { mac, owner } },
  }),
})
