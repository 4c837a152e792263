import { findLink, HOST, isUplink, type State } from '../state/state.ts'

const hasDefaultRoute = (ifname: string, now: State) =>
  (now.get(HOST)?.routes ?? []).some(({ dst, dev }) => dst === 'default' && dev === ifname)

/** Whether the host reaches the outside through this interface: the sandbox's uplink, or the one with the default route. No mending may delete it. */
export function isWayOut(ifname: string, netns: string | undefined, now: State): boolean {
  return netns === undefined && (isUplink(findLink(now, ifname)) || hasDefaultRoute(ifname, now))
}

/** The interfaces on top of this one, such as VLAN interfaces, which are deleted along with it. */
export function interfacesOn(ifname: string, netns: string | undefined, now: State): string[] {
  const links = now.get(netns ?? HOST)?.links ?? []
  return links.filter(({ kind, peer }) => kind !== 'veth' && peer === ifname).map(({ name }) => name)
}
