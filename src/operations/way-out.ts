import { findLink, HOST, isUplink, type State } from '../state/state.ts'
import type { Verdict } from './operation.ts'

/**
 * The verdict on giving an interface away by which the host leaves: its addresses would not be reached any more, nor what
 * lies beyond it. Undefined for any other interface.
 */
export function cutOff(ifname: string, now: State): Verdict | undefined {
  const isDefault = (now.get(HOST)?.routes ?? []).some(({ dst, dev }) => dst === 'default' && dev === ifname)
  const why = isUplink(findLink(now, ifname))
    ? "is the sandbox's uplink"
    : isDefault
      ? 'has the default route: without it the host would be cut off'
      : undefined
  return why === undefined
    ? undefined
    : { status: 'differs', actual: `${ifname} ${why}`, fix: 'take another interface, such as an end of a veth pair' }
}
