import { findLink, HOST, isUplink, type State } from '../state/state.ts'
import type { Verdict } from './operation.ts'

const hasDefaultRoute = (ifname: string, now: State) =>
  (now.get(HOST)?.routes ?? []).some(({ dst, dev }) => dst === 'default' && dev === ifname)

/** Whether the host leaves by an interface: the sandbox's uplink, or one with the default route. */
export function isWayOut(ifname: string, netns: string | undefined, now: State): boolean {
  return netns === undefined && (isUplink(findLink(now, ifname)) || hasDefaultRoute(ifname, now))
}

/**
 * The verdict on giving an interface away by which the host leaves: its addresses would not be reached any more, nor what
 * lies beyond it. Undefined for any other interface.
 */
export function cutOff(ifname: string, netns: string | undefined, now: State): Verdict | undefined {
  if (!isWayOut(ifname, netns, now)) return undefined
  const why = isUplink(findLink(now, ifname))
    ? "is the sandbox's uplink"
    : 'has the default route: without it the host would be cut off'
  return { status: 'differs', actual: `${ifname} ${why}`, fix: 'take another interface, such as an end of a veth pair' }
}

/** Who relies on an interface of the host besides ports: everybody, if the default route has come to go there. */
export function relyingOn(ifname: string, netns: string | undefined, now: State): string[] {
  return netns === undefined && hasDefaultRoute(ifname, now) ? ['the default route'] : []
}

/** Interfaces that lie on one, as a VLAN's do, and go with it. */
export function lyingOn(ifname: string, netns: string | undefined, now: State): string[] {
  const links = now.get(netns ?? HOST)?.links ?? []
  return links.filter(({ kind, peer }) => kind !== 'veth' && peer === ifname).map(({ name }) => name)
}
