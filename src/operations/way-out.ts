import { findLink, HOST, isUplink, type State } from '../state/state.ts'

const hasDefaultRoute = (ifname: string, now: State) =>
  (now.get(HOST)?.routes ?? []).some(({ dst, dev }) => dst === 'default' && dev === ifname)

/** Whether the host leaves by an interface: the sandbox's uplink, or one with the default route. Nothing is mended by its loss. */
export function isWayOut(ifname: string, netns: string | undefined, now: State): boolean {
  return netns === undefined && (isUplink(findLink(now, ifname)) || hasDefaultRoute(ifname, now))
}

/** Interfaces that lie on one, as a VLAN's do, and go with it. */
export function lyingOn(ifname: string, netns: string | undefined, now: State): string[] {
  const links = now.get(netns ?? HOST)?.links ?? []
  return links.filter(({ kind, peer }) => kind !== 'veth' && peer === ifname).map(({ name }) => name)
}
