import { isIpv6 } from '../ip-arithmetic.ts'
import type { Operation } from '../operations/registry.ts'
import { type ContainerEnd, containerPlan, type ContainerRoute, type Lease } from './container.ts'

/**
 * A container with an interface that has no end on the host, which `link` makes. When it comes up it tells its neighbours
 * about its addresses, which others may have had before.
 */
export function linkPlan(
  link: Operation,
  container: ContainerEnd,
  leases: readonly Lease[],
  routes: readonly ContainerRoute[],
): Operation[] {
  const { ifname, netns, isNew } = container
  const has = (isSix: boolean) => leases.some(({ address }) => isIpv6(address) === isSix)
  const own = ifname.replaceAll('.', '/')
  const keys = [
    ...(has(false) ? [`net.ipv4.conf.${own}.arp_notify`] : []),
    ...(has(true) ? [`net.ipv6.conf.${own}.ndisc_notify`] : []),
  ]
  return [
    link,
    ...(isNew === true ? keys.map((key): Operation => ({ kind: 'sysctl', params: { key, value: '1', netns } })) : []),
    ...containerPlan(container, leases, routes),
  ]
}
