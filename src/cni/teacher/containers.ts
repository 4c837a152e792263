import { readJournal } from '../../journal/journal.ts'
import type { Host } from '../../kernel/host.ts'
import { bindOperation } from '../../operations/registry.ts'
import { cachedNetwork } from '../config/network.ts'
import { ownerOf } from '../plugins/identity.ts'
import { EMPTY, toVersion } from '../protocol/result.ts'
import { readCache, readCached, removeCached, writeCached } from '../runtime/cache.ts'
import { askIpam } from './ask-ipam.ts'
import { type BridgeJob, jobOn } from './bridge-job.ts'

/** Marks the containers in the cache that `bridge add` attached, as opposed to a runtime. */
const MADE_BY = 'cnilab bridge add'

/** Caches the result of a container, as a runtime does. */
export async function cacheContainer(host: Host, { call, network }: BridgeJob, result: unknown): Promise<void> {
  await writeCached(host, { ...call, args: [], capabilityArgs: {} }, network.text, result, MADE_BY)
}

/**
 * Records in the cache that a container is about to get an address, which outlives this process and a reboot. Returns a
 * function that undoes this. An entry that a runtime has cached stays.
 */
export async function cacheIntent(host: Host, job: BridgeJob): Promise<() => Promise<void>> {
  if ((await readCached(host, job.call)) !== undefined) return () => Promise.resolve()
  await cacheContainer(host, job, toVersion(EMPTY, job.network.version))
  return () => removeCached(host, job.call)
}

/**
 * Releases the addresses of containers that `bridge add` attached, and forgets those, unless the journal says that they still
 * exist. Returns in words what was released, and what could not be.
 */
export async function forgetContainers(host: Host): Promise<{ forgotten: string[]; left: string[] }> {
  const forgotten: string[] = []
  const left: string[] = []
  // Shared operations may stay for the sake of others.
  const own = readJournal(host).filter(({ operation }) => !bindOperation(operation).shared)
  const there = new Set(own.map(({ owner }) => owner))
  for (const cached of (await readCache(host)).entries) {
    const network = cached.madeBy === MADE_BY ? cachedNetwork(cached) : undefined
    if (!network || there.has(ownerOf(cached))) continue
    const what = `the address of container ${cached.containerId} on the network ${cached.network}`
    try {
      const { call } = jobOn(network, cached.containerId, cached.netns)
      await askIpam(host, 'DEL', call)
      await removeCached(host, call)
      forgotten.push(what)
    } catch (error) {
      left.push(`${what}, but ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  return { forgotten, left }
}
