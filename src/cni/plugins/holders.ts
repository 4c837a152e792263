import { join } from 'node:path'
import type { Kernel } from '../../kernel/kernel.ts'
import { aliasOf } from '../../operations/operation.ts'
import { HOST } from '../../state/state.ts'
import { STORES } from '../ipam/host-local-config.ts'
import { addressesIn, holderOf } from '../ipam/store.ts'

/** Whether something with this owner, `network/container/interface`, belongs to a container. */
export function isOfContainer(owner: string | undefined, containerId: string): boolean {
  return partsOf(owner)?.containerId === containerId
}

/**
 * Whether the container that something belongs to may still be there: it has a cable of ours, or an address in the usual
 * store. One whose DEL another plugin did has neither.
 */
export async function isAlive(kernel: Kernel, owner: string): Promise<boolean> {
  const alias = aliasOf({ owner })
  const links = (await kernel.read({ namespaces: new Set() })).get(HOST)?.links ?? []
  if (links.some((link) => link.alias === alias)) return true
  const parts = partsOf(owner)
  if (!parts) return true // its names were too long to be told apart
  const folder = join(STORES, parts.network)
  return addressesIn(folder).some((address) => holderOf(folder, address)?.containerId === parts.containerId)
}

/** The network and the container of an owner; undefined if they are shortened, and so unknown. */
function partsOf(owner = ''): { network: string; containerId: string } | undefined {
  const [, network, containerId] = /^([^/~]+)\/([^/~]+)\/[^/]+$/.exec(owner) ?? []
  return network === undefined || containerId === undefined ? undefined : { network, containerId }
}
