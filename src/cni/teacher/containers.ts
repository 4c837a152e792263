import { readJournal } from '../../journal/journal.ts'
import type { Host } from '../../kernel/host.ts'
import { derive } from '../../operations/registry.ts'
import { cachedNetwork } from '../config/network.ts'
import { ownerOf } from '../plugins/identity.ts'
import { EMPTY, toVersion } from '../protocol/result.ts'
import { readCache, readCached, removeCached, writeCached } from '../runtime/cache.ts'
import { askIpam } from './ask-ipam.ts'
import { type BridgeJob, jobOn } from './bridge-job.ts'

/** By this the cache tells the containers that `bridge add` put on their networks from those of a runtime. */
const MADE_BY = 'cnilab bridge add'

/** Caches the result of a container, as a runtime does. */
export async function cacheContainer(host: Host, { call, network }: BridgeJob, result: unknown): Promise<void> {
  await writeCached(host, { ...call, args: [], capabilityArgs: {} }, network.text, result, MADE_BY)
}

/**
 * Writes down that a container is about to get an address, which outlives this process and a reboot. Returns how to take
 * that back: what a runtime had cached stays.
 */
export async function cacheIntent(host: Host, job: BridgeJob): Promise<() => Promise<void>> {
  if ((await readCached(host, job.call)) !== undefined) return () => Promise.resolve()
  await cacheContainer(host, job, toVersion(EMPTY, job.network.version))
  return () => removeCached(host, job.call)
}

/**
 * Gives back the addresses of the containers that `bridge add` put on their networks, and forgets them, unless the journal
 * says that they still are there. Returns in words what was given back, and what could not be.
 */
export async function forgetContainers(host: Host): Promise<{ forgotten: string[]; left: string[] }> {
  const forgotten: string[] = []
  const left: string[] = []
  // What others share may stay for somebody else.
  const own = readJournal(host).filter(({ operation }) => !derive(operation).shared)
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
