import * as z from 'zod'
import { isIncomplete, readHostFile, readHostFolder, removeHostFile, writeHostFile } from '../../kernel/host-files.ts'
import type { Host } from '../../kernel/host.ts'
import { requireTrust } from '../../kernel/trust.ts'
import { parseGiven } from '../protocol/given-json.ts'
import type { Attachment } from '../protocol/plugin-type.ts'
import { parseResult, type Result } from '../protocol/result.ts'

/** Where libcni keeps the results of ADD, on the host. */
export const CACHE_FOLDER = '/var/lib/cni/results'

/** What a runtime gives to the plugins of a network for one attachment. */
export interface RuntimeConf extends Attachment {
  /** Path of the network namespace, as the host sees it. */
  netns: string
  /** The pairs of CNI_ARGS. */
  args: readonly (readonly [string, string])[]
  /** By capability; each plugin gets those that it declares. */
  capabilityArgs: Readonly<Record<string, unknown>>
}

/** An attachment as it was cached after ADD. */
export interface Cached extends RuntimeConf {
  /** The configuration list, as text. */
  config: string
  result: Result
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
})

/** The name of an attachment's file. */
function cacheName({ network, containerId, ifname }: Attachment): string {
  return `${network}-${containerId}-${ifname}`
}

/** The text of a cache file, in libcni's format `cniCacheV1`; `result` is the JSON that ADD gave, in its version. */
export function encode(given: RuntimeConf, config: string, result: unknown): string {
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
  })
}

/** Reads the text of a cache file. Throws an Error if it is not one. */
export function decode(text: string): Cached {
  const file = schema.parse(parseGiven(text))
  return {
    network: file.networkName,
    containerId: file.containerId,
    ifname: file.ifName,
    netns: file.netns ?? '',
    args: file.cniArgs ?? [],
    capabilityArgs: file.capabilityArgs ?? {},
    config: Buffer.from(file.config, 'base64').toString('utf8'),
    result: parseResult(file.result),
  }
}

/** Cached attachments, and the files that are not in its form. */
export interface Cache {
  entries: Cached[]
  bad: string[]
}

/**
 * What is cached names what root undoes. Throws CnilabError `machine` where others could have written it, if the host is
 * the machine.
 */
export function requireOwnCache({ kind }: Host, path = CACHE_FOLDER): void {
  if (kind === 'machine') requireTrust(path, `see whose it is: ls -la ${CACHE_FOLDER}; ls -ld /var/lib/cni /var/lib`)
}

/** All that is cached on a host, of every network. Throws CnilabError `machine`. */
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
 * What is cached of one attachment; `bad` if its file is no cache file, undefined if there is none. Throws
 * CnilabError `machine`.
 */
export async function readCached(host: Host, attachment: Attachment): Promise<Cached | 'bad' | undefined> {
  requireOwnCache(host, pathOf(attachment))
  const text = await readHostFile(host, pathOf(attachment))
  if (text === undefined) return undefined
  try {
    return decode(text)
  } catch {
    return 'bad'
  }
}

/** Writes what ADD gave, atomically. Throws CnilabError `state`, `machine`. */
export async function writeCached(host: Host, given: RuntimeConf, config: string, result: unknown): Promise<void> {
  requireOwnCache(host)
  await writeHostFile(host, CACHE_FOLDER, cacheName(given), `${encode(given, config, result)}\n`)
}

/** Forgets an attachment. Throws CnilabError `state`, `machine`. */
export async function removeCached(host: Host, attachment: Attachment): Promise<void> {
  requireOwnCache(host)
  await removeHostFile(host, pathOf(attachment))
}

function pathOf(attachment: Attachment): string {
  return `${CACHE_FOLDER}/${cacheName(attachment)}`
}
