import { isDeepStrictEqual } from 'node:util'
import { namespacesAmong } from '../../kernel/host-files.ts'
import type { Host } from '../../kernel/host.ts'
import type { CniError } from '../protocol/error.ts'
import { toCniError } from '../protocol/run-plugin.ts'
import { atLeast } from '../protocol/versions.ts'
import { type CachedAttachment, readCache, removeCached } from './cache.ts'
import { callsOf } from './call.ts'
import { cachedNetwork } from '../config/network.ts'
import { delCalls, runAll, throwAll } from './chain.ts'
import type { Request } from './request.ts'
import { chainOf, networkOf, type Job, nothing, prevResultOf } from './runtime.ts'

/**
 * GC: DEL for each cached attachment of the network whose namespace is gone, and then GC for each plugin, with the remaining
 * attachments (CNI spec 1.1.0, "GC"; libcni's GCNetworkList). Continues after failures. Throws CnilabError.
 */
export async function planGc(host: Host, request: Request): Promise<Job> {
  const network = networkOf(request)
  if (network.disableGC) return nothing(network, [`nothing was done: the network ${network.name} has "disableGC"`])
  const chain = await chainOf(host, request, network)
  const cache = await readCache(host)
  const own = cache.entries.filter((entry) => entry.network === network.name)
  const { stale, valid } = await sort(host, own, request.keep)
  const dels = await Promise.all(
    stale.map(async (entry) => {
      const before = cachedNetwork(entry) ?? network
      const asAdded = isDeepStrictEqual(before, network) ? chain : await chainOf(host, request, before)
      return { entry, calls: delCalls(asAdded, entry, prevResultOf(before, entry)) }
    }),
  )
  const attachments = valid.map(({ containerId, ifname }) => ({ containerID: containerId, ifname }))
  const knowsGc = atLeast(network.version, '1.1.0')
  // Runtimes send both: one edition of the spec had the second name.
  const keys = { 'cni.dev/valid-attachments': attachments, 'cni.dev/attachments': attachments }
  const gcs = knowsGc ? callsOf(chain, 'GC', undefined, keys) : []
  return {
    network,
    notices: [
      ...cache.bad.map((file) => `skipped ${file}: it is not a result in libcni's format`),
      ...stale.map(({ containerId, ifname, netns }) => `DEL for ${containerId} ${ifname}: ${netns} is gone`),
      ...(knowsGc
        ? []
        : [`the plugins are not called: GC exists since cniVersion 1.1.0, but this is ${network.version}`]),
    ],
    calls: [...dels.flatMap(({ calls }) => calls), ...gcs],
    run: async (run) => {
      const errors: CniError[] = []
      const attempt = (done: Promise<void>) => done.catch((error: unknown) => void errors.push(toCniError(error)))
      for (const { entry, calls } of dels) await attempt(runAll(calls, run).then(() => removeCached(host, entry)))
      await attempt(runAll(gcs, run))
      throwAll(errors)
      return undefined
    },
  }
}

type Id = Request['keep'][number]

/** Separates attachments whose namespace is gone from the others. An attachment without a namespace counts as valid. */
async function sort(
  host: Host,
  entries: readonly CachedAttachment[],
  keep: readonly Id[],
): Promise<{ stale: CachedAttachment[]; valid: Id[] }> {
  const paths = entries.map(({ netns }) => netns).filter((netns) => netns !== '')
  const alive = await namespacesAmong(host, [...new Set(paths)])
  const isKept = (one: CachedAttachment) =>
    keep.some(({ containerId, ifname }) => containerId === one.containerId && ifname === one.ifname)
  const isValid = (one: CachedAttachment) => one.netns === '' || alive.has(one.netns) || isKept(one)
  const more = keep.filter((id) => !entries.some((e) => e.containerId === id.containerId && e.ifname === id.ifname))
  return { stale: entries.filter((one) => !isValid(one)), valid: [...entries.filter(isValid), ...more] }
}
