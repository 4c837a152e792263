import { existsSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import { CnilabError } from '../../errors.ts'
import { interfacesAt, namespacesAmong } from '../../kernel/host-files.ts'
import { flagsFor, type Host } from '../../kernel/host.ts'
import { quote } from '../../plan/command-line.ts'
import { bringPrograms } from '../programs/copy-in.ts'
import { toVersion } from '../protocol/result.ts'
import { SINCE } from '../protocol/request.ts'
import { atLeast, type Version } from '../protocol/versions.ts'
import { type CachedAttachment, type RuntimeConf, readCached, removeCached, requireOwnCache } from './cache.ts'
import { callsOf, type Chain, type PluginCall } from './call.ts'
import { add, delCalls, runAll, type RunCall } from './chain.ts'
import { cachedNetwork, type Network, requireVersion } from '../config/network.ts'
import { defaultPath, lookForPlugins } from '../programs/plugin-path.ts'
import type { Request } from './request.ts'

/** A command for a network, ready to be run or just shown. Nothing has been changed yet. */
export interface Job {
  network: Network
  /** The calls of the plugins, in order. Those of ADD lack `prevResult`, which is not known yet. */
  calls: readonly PluginCall[]
  /** Notices for the user, except for those about how the network was found. */
  notices: readonly string[]
  /** Runs it. `deliver` writes the result of ADD, in the network's version, or throws. Throws CniError, CnilabError. */
  run: (run: RunCall, deliver: (text: string) => void) => Promise<unknown>
}

/** A request's network with the executables of its plugins. Throws CnilabError. */
export async function chainOf(host: Host, request: Request, network: Network): Promise<Chain> {
  const { chain, faults } = await faultyChainOf(host, request, network)
  const [fault] = faults.values()
  if (fault) throw fault
  return chain
}

/** A network with the executables of its plugins, and with the errors for those that cannot be called. */
async function faultyChainOf(
  host: Host,
  request: Request,
  network: Network,
): Promise<{ chain: Chain; faults: ReadonlyMap<string, CnilabError> }> {
  const path = request.path?.map((folder) => bringPrograms(host, folder)) ?? defaultPath(host)
  const { files, faults } = await lookForPlugins(host, [...new Set(network.plugins.map(({ type }) => type))], path)
  return { chain: { network, path, files }, faults }
}

/** Calls plugins, but for those that cannot be called, whose error it throws. */
function except(faults: ReadonlyMap<string, CnilabError>, run: RunCall): RunCall {
  return async (call) => {
    const fault = faults.get(call.plugin)
    if (fault) throw fault
    return run(call)
  }
}

/** The network that a request names. Throws the error of finding it. */
export function networkOf({ found }: Request): Network {
  if (found instanceof CnilabError) throw found
  return found.network
}

/** ADD: attaches the container to the network. Throws CnilabError. */
export async function planAdd(host: Host, request: Request): Promise<Job> {
  const { given } = request
  const network = networkOf(request)
  requireOwnCache(host) // before doing anything that must be recorded there
  const chain = await chainOf(host, request, network)
  const interfaces = await requireNamespace(host, given.netns)
  const wasThere = interfaces.includes(given.ifname)
  return {
    network,
    notices: [],
    calls: callsOf(chain, 'ADD', given),
    run: (run, deliver) => add(host, chain, given, wasThere, run, deliver),
  }
}

/** DEL: detaches the container. Calls all plugins, even after one that failed. Throws CnilabError. */
export async function planDel(host: Host, request: Request): Promise<Job> {
  const cached = await readCached(host, request.given)
  const { network, notices } = networkForDel(request, cached)
  const given = asCached(request, cached)
  const { chain, faults } = await faultyChainOf(host, request, network)
  const [fault] = faults.values()
  if (fault && chain.files.size === 0) throw fault
  const there = await namespacesAmong(host, [given.netns])
  const gone = there.has(given.netns) ? [] : [missing(host, given.netns).message]
  const calls = delCalls(chain, given, prevResultOf(network, cached))
  return {
    network,
    notices: [...notices, ...badEntry(cached, given), ...gone],
    calls,
    run: async (run) => {
      await runAll(calls, except(faults, run))
      await removeCached(host, given)
      return undefined
    },
  }
}

/** CHECK: asks the plugins whether everything is as ADD made it. Throws CnilabError. */
export async function planCheck(host: Host, request: Request): Promise<Job> {
  const network = networkOf(request)
  requireVersion(network, 'CHECK', sinceOf('CHECK'))
  if (network.disableCheck)
    return nothing(network, [`nothing was checked: the network ${network.name} has "disableCheck"`])
  const chain = await chainOf(host, request, network)
  const cached = await readCached(host, request.given)
  const { netns, ifname, containerId } = request.given
  await requireNamespace(host, netns)
  const prevResult = prevResultOf(network, cached)
  if (!prevResult)
    throw new CnilabError(
      'state',
      [
        `CHECK needs the result of ADD, but none is cached for ${network.name}, ${containerId}, ${ifname}`,
        ...badEntry(cached, request.given),
      ].join('; '),
      {
        fix: `cnilab cni add ${quote(network.name)} ${quote(netns)}${flagsFor(host)}, with the intended --cid and --ifname`,
      },
    )
  const calls = callsOf(chain, 'CHECK', asCached(request, cached), { prevResult })
  return { network, notices: [], calls, run: (run) => runAll(calls, run).then(() => undefined) }
}

/** STATUS: asks the plugins whether ADD could work now. Throws CnilabError. */
export async function planStatus(host: Host, request: Request): Promise<Job> {
  const network = networkOf(request)
  requireVersion(network, 'STATUS', sinceOf('STATUS'))
  const calls = callsOf(await chainOf(host, request, network), 'STATUS', undefined)
  return { network, notices: [], calls, run: (run) => runAll(calls, run).then(() => undefined) }
}

/** A job without calls. */
export function nothing(network: Network, notices: readonly string[]): Job {
  return { network, notices, calls: [], run: () => Promise.resolve(undefined) }
}

function sinceOf(command: 'CHECK' | 'STATUS'): Version {
  return SINCE[command] ?? '0.1.0'
}

/** The result of ADD in the network's version, for commands that pass it on (since 0.4.0). */
export function prevResultOf(
  network: Network,
  cached: CachedAttachment | 'bad' | undefined,
): Record<string, unknown> | undefined {
  if (cached === undefined || cached === 'bad' || !atLeast(network.version, '0.4.0')) return undefined
  return toVersion(cached.result, network.version)
}

/** The arguments of ADD, unless the user has given others. */
function asCached({ given, has }: Request, cached: CachedAttachment | 'bad' | undefined): RuntimeConf {
  if (cached === undefined || cached === 'bad') return given
  return {
    ...given,
    args: has.args ? given.args : cached.args,
    capabilityArgs: has.capabilityArgs ? given.capabilityArgs : cached.capabilityArgs,
  }
}

function badEntry(
  cached: CachedAttachment | 'bad' | undefined,
  { network, containerId, ifname }: RuntimeConf,
): string[] {
  return cached === 'bad'
    ? [`the cached result of ${network}, ${containerId}, ${ifname} is unreadable, and not used`]
    : []
}

/**
 * The network as it was at ADD, from the cache: it knows what there is to remove, whatever its file says by now. Without an
 * entry, as it is configured. Throws the error of finding it.
 */
function networkForDel(
  { found }: Request,
  cached: CachedAttachment | 'bad' | undefined,
): { network: Network; notices: string[] } {
  const before = cached === undefined || cached === 'bad' ? undefined : cachedNetwork(cached)
  if (!before) {
    if (found instanceof CnilabError) throw found
    return { network: found.network, notices: [] }
  }
  const why =
    found instanceof CnilabError
      ? 'is no longer configured'
      : isDeepStrictEqual(found.network.plugins, before.plugins)
        ? undefined
        : 'is configured otherwise by now'
  const notice = `the network ${before.name} ${why}: using the configuration of ADD, from the cache`
  return { network: before, notices: why === undefined ? [] : [notice] }
}

/** The interfaces in a namespace. Throws CnilabError `state` if it does not exist. */
export async function requireNamespace(host: Host, netns: string): Promise<string[]> {
  const interfaces = await interfacesAt(host, netns)
  if (interfaces === undefined) throw missing(host, netns)
  return interfaces
}

/** The error for a namespace that does not exist, or only on the machine. */
function missing(host: Host, netns: string): CnilabError {
  const [, name] = /^\/run\/netns\/([^/]+)$/.exec(netns) ?? []
  const isOutside = !host.inside
  if (isOutside && existsSync(netns))
    return new CnilabError('state', `there is no ${netns} in the sandbox '${host.name}'; this machine has one`, {
      fix: 'to act on this machine itself, use --host',
    })
  return new CnilabError('state', `there is no network namespace ${netns}`, {
    fix:
      name === undefined ? 'ip netns shows those with a name' : `cnilab netns create ${quote(name)}${flagsFor(host)}`,
  })
}
