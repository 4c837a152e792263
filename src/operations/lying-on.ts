import { HOST, type State } from '../state/state.ts'

/** Interfaces that lie on one of the host, as a VLAN's do, and go with it. */
export function lyingOn(ifname: string, now: State): string[] {
  const links = now.get(HOST)?.links ?? []
  return links.filter(({ kind, peer }) => kind !== 'veth' && peer === ifname).map(({ name }) => name)
}
