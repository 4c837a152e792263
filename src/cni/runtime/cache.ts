import * as z from 'zod'
import { isIncomplete, readHostFile, readHostFolder, removeHostFile, writeHostFile } from '../../kernel/host-files.ts'
import type { Host } from '../../kernel/host.ts'
import { requireTrust } from '../../kernel/trust.ts'
import { parseUntrusted } from '../protocol/given-json.ts'
import type { Attachment } from '../protocol/plugin-type.ts'
import { parseResult, type Result } from '../protocol/result.ts'

/** The directory where libcni caches the results of ADD, on the host. */
export const CACHE_FOLDER = '/var/lib/cni/results'

/** The parameters of one attachment that a runtime passes to a network's plugins (libcni's RuntimeConf). */
export interface RuntimeConf extends Attachment {
  /** Path of the network namespace, as the host sees it. */
  netns: string
  /** The pairs of CNI_ARGS. */
  args: readonly (readonly [string, string])[]
  /** By capability; each plugin gets the ones that it declares. */
  capabilityArgs: Readonly<Record<string, unknown>>
}

/** An attachment in the cache. */
export interface CachedAttachment extends RuntimeConf {
  /** The configuration list, as text. */
  config: string
  result: Result
  /** The command of ours that made it, if it was not the runtime. */
  madeBy?: string | undefined
}

const schema = z.object({
  kind: z.literal('cniCacheV1'),
  containerId: z.string().min(1),
  config: z.base64(),
  ifName: z.string().min(1),
  networkName: z.string().min(1),
  netns: z.string().optional(),
  cniArgs: z.array(z.tuple([z.string(), z.string()])).nullish(),
  capabilityArgs: z.record(z.string(), z.unknown()).nullish(),
  result: z.unknown(),
  madeBy: z.string().optional(),
})

/** The name of an attachment's cache file. */
function cacheName({ network, containerId, ifname }: Attachment): string {
  return `${network}-${containerId}-${ifname}`
}

/**
 * The text of a cache file, in libcni's format `cniCacheV1`; `result` is the JSON that ADD returned, in its version. libcni
 * ignores `madeBy`.
 */
export function encode(given: RuntimeConf, config: string, result: unknown, madeBy?: string): string {
  const { network, containerId, ifname, netns, args, capabilityArgs } = given
  return JSON.stringify({
    kind: 'cniCacheV1',
    containerId,
    config: Buffer.from(config).toString('base64'),
    ifName: ifname,
    networkName: network,
    ...(netns === '' ? {} : { netns }),
    ...(args.length === 0 ? {} : { cniArgs: args }),
    ...(Object.keys(capabilityArgs).length === 0 ? {} : { capabilityArgs }),
    result,
    ...(madeBy === undefined ? {} : { madeBy }),
  })
}

/** Parses a cache file. Throws an Error if it is not one. */
export function decode(text: string): CachedAttachment {
  const file = schema.parse(parseUntrusted(text))
  return {
    network: file.networkName,
    containerId: file.containerId,
    ifname: file.ifName,
    netns: file.netns ?? '',
    args: file.cniArgs ?? [],
    capabilityArgs: file.capabilityArgs ?? {},
    config: Buffer.from(file.config, 'base64').toString('utf8'),
    result: parseResult(file.result),
    madeBy: file.madeBy,
  }
}

/** The cached attachments, and the files that cannot be parsed. */
export interface Cache {
  entries: CachedAttachment[]
  bad: string[]
}

/**
 * Throws CnilabError `machine` if the host is the machine and others could have written the cache, which says what root
 * undoes.
 */
export function requireOwnCache({ kind }: Host, path = CACHE_FOLDER): void {
  if (kind === 'machine') requireTrust(path, `see whose it is: ls -la ${CACHE_FOLDER}; ls -ld /var/lib/cni /var/lib`)
}

/** Reads the cache of a host, for all networks. Throws CnilabError `machine`. */
export async function readCache(host: Host): Promise<Cache> {
  requireOwnCache(host)
  const cache: Cache = { entries: [], bad: [] }
  for (const [name, text] of await readHostFolder(host, CACHE_FOLDER)) {
    if (isIncomplete(name)) continue
    try {
      cache.entries.push(decode(text))
    } catch {
      cache.bad.push(`${CACHE_FOLDER}/${name}`)
    }
  }
  return cache
}

/**
 * Reads the cache of one attachment; 'bad' if its file cannot be parsed, undefined if there is none. Throws CnilabError
 * `machine`.
 */
export async function readCached(host: Host, attachment: Attachment): Promise<CachedAttachment | 'bad' | undefined> {
  requireOwnCache(host, pathOf(attachment))
  const text = await readHostFile(host, pathOf(attachment))
  if (text === undefined) return undefined
  try {
    return decode(text)
  } catch {
    return 'bad'
  }
}

/** Caches the result of ADD, atomically. Throws CnilabError `state`, `machine`. */
export async function writeCached(
  host: Host,
  given: RuntimeConf,
  config: string,
  result: unknown,
  madeBy?: string,
): Promise<void> {
  requireOwnCache(host)
  await writeHostFile(host, CACHE_FOLDER, cacheName(given), `${encode(given, config, result, madeBy)}\n`)
}

/** Removes an attachment from the cache. Throws CnilabError `state`, `machine`. */
export async function removeCached(host: Host, attachment: Attachment): Promise<void> {
  requireOwnCache(host)
  await removeHostFile(host, pathOf(attachment))
}

function pathOf(attachment: Attachment): string {
  return `${CACHE_FOLDER}/${cacheName(attachment)}`
}
