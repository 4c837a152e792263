import { existsSync } from 'node:fs'
import { extname } from 'node:path'
import { readConfigFile } from '../config/config-file.ts'
import { CnilabError } from '../../errors.ts'
import type { Host } from '../../kernel/host.ts'
import type { Runnable } from '../../lab/format/lab.ts'
import { netnsOf, wrongContainerId } from '../../rules/names.ts'
import { bindOperation, type Operation, withoutIpv6 } from '../../operations/registry.ts'
import { quote } from '../../plan/command-line.ts'
import type { State } from '../../state/state.ts'
import { CniError } from '../protocol/error.ts'
import { readHostLocal } from '../ipam/host-local-config.ts'
import { ipamType, refuseWithoutType } from '../ipam/ipam.ts'
import { candidates, rangeFor } from '../ipam/ranges.ts'
import { staticIpam } from '../ipam/static.ts'
import { bridgeType } from '../plugins/bridge.ts'
import { type BridgeConfig, bridgeConfig } from '../plugins/bridge-config.ts'
import type { Call } from '../protocol/plugin-type.ts'
import { EMPTY, type Result } from '../protocol/result.ts'
import { readCache } from '../runtime/cache.ts'
import { cachedNetwork, type Network, parseList, parseSingle, SEED } from '../config/network.ts'
import { netnsPath } from '../runtime/request.ts'

/** A container to attach to a bridge, to remove from it, or to check. */
export interface BridgeJob {
  network: Network
  config: BridgeConfig
  call: Call
}

/**
 * Reads the user's arguments: a container id, a namespace by name or path, and a file with a network whose plugin is `bridge`;
 * by default the built-in network, `mynet` on `cni0` with 10.22.0.0/16. Throws CnilabError `usage`.
 */
export function readJob(containerId: string, netns: string, file: string | undefined): BridgeJob {
  const wrong = wrongContainerId(containerId)
  if (wrong !== undefined) throw new CnilabError('usage', wrong, { fix: 'for example: cnilab bridge add web-1 red' })
  const network = file === undefined ? SEED : readNetwork(file)
  if (!pluginOf(network))
    throw new CnilabError('usage', `the network ${network.name} in ${file ?? ''} has no plugin of type bridge`, {
      fix: `cnilab cni add ${quote(network.name)} ${quote(netns)} runs whatever plugins a network has`,
    })
  return jobOn(network, containerId, netnsPath(netns))
}

function pluginOf({ plugins }: Network) {
  return plugins.find(({ type }) => type === 'bridge')
}

/** The job for a container with eth0 in the namespace at a path, on a network with a bridge. Throws CnilabError `usage`. */
export function jobOn(network: Network, containerId: string, netns: string): BridgeJob {
  const call: Call = {
    network: network.name,
    containerId,
    ifname: 'eth0',
    netns,
    args: {},
    path: [],
    version: network.version,
    config: { ...pluginOf(network), name: network.name, cniVersion: network.version },
    prevResult: undefined,
  }
  try {
    refuseWithoutType(call)
    return { network, call, config: bridgeConfig(call) }
  } catch (error) {
    throw toUsage(error)
  }
}

/** The same job in the namespace at another path. */
export function inNetns(job: BridgeJob, netns: string): BridgeJob {
  return { ...job, call: { ...job.call, netns } }
}

/** The path of the namespace in which a container was attached to a bridge, according to the cache; undefined if it is on none. */
export async function lastNetns(host: Host, containerId: string): Promise<string | undefined> {
  const { entries } = await readCache(host)
  return entries.find((one) => {
    const network = one.containerId === containerId ? cachedNetwork(one) : undefined
    return network !== undefined && pluginOf(network) !== undefined
  })?.netns
}

/**
 * The job with the network to which the container is attached, according to the cache. If there are several, the one with the
 * name in `given`; if there is none, `given` itself. A container that was started again has another namespace: then what it
 * was attached to in the old one. Throws CnilabError `usage` if it is ambiguous.
 */
export async function asAdded(host: Host, given: BridgeJob): Promise<BridgeJob> {
  const { containerId, ifname, netns, network } = given.call
  const own = (await readCache(host)).entries.filter((one) => one.containerId === containerId && one.ifname === ifname)
  const here = own.filter((one) => netnsOf(one.netns) === netnsOf(netns))
  const jobs = (here.length > 0 ? here : own)
    .flatMap((one) => cachedNetwork(one) ?? [])
    .filter((one) => pluginOf(one) !== undefined)
    .map((one) => jobOn(one, containerId, netns))
  const [first = given, another] = jobs
  const same = jobs.find(({ call }) => call.network === network)
  if (same || !another) return same ?? first
  throw new CnilabError(
    'usage',
    `container ${containerId} is on several networks: ${jobs.map(({ call }) => call.network).join(', ')}`,
    { fix: 'choose one with --config FILE' },
  )
}

function readNetwork(file: string): Network {
  try {
    const text = readConfigFile(file)
    return extname(file) === '.conflist' ? parseList(text) : parseSingle(text)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new CnilabError('usage', `${file}: ${why}`, { fix: `cnilab cni validate ${quote(file)}` })
  }
}

/** Turns an error about a configuration into a usage error. */
function toUsage(error: unknown): unknown {
  return error instanceof CniError ? new CnilabError('usage', error.message, fixOf(error)) : error
}

/** The details of a plugin's error as the `fix` of ours, if it has any. */
export function fixOf({ details }: CniError): { fix?: string } {
  return details === '' ? {} : { fix: details }
}

/** The titles of the steps of a bridge's plan. */
const TITLES: Readonly<Record<string, string>> = {
  bridge: 'Create the bridge (step 2)',
  veth: 'Create the veth pair, one end in the namespace (steps 3 and 4)',
  'attach-bridge': 'Attach the other end to the bridge (step 5)',
  ip: 'Assign the IP addresses (step 6)',
  up: 'Bring the interfaces up (step 7)',
  masquerade: 'Forward, and masquerade (step 8)',
}

/** The operations for a job, as the plugin plans them; `now` is the state before, undefined for a check or a dry run. */
export function operationsFor({ call, config }: BridgeJob, lease: Result, now?: State): Operation[] {
  const operations = bridgeType.plan(call, config, netnsOf(call.netns), bridgeType.completed(config, lease), now)
  return existsSync('/proc/sys/net/ipv6') ? operations : withoutIpv6(operations)
}

/** Steps 2 to 8 for a job, as far as it needs them. */
export function stepsFor(job: BridgeJob, lease: Result, now?: State): Runnable {
  const { call } = job
  const operations = operationsFor(job, lease, now)
  const steps = Object.entries(TITLES).flatMap(([id, title]) => {
    const own = operations.filter((operation) => bindOperation(operation).step === id)
    const [first] = own
    return first ? [{ id, title, text: bindOperation(first).explain.why, operations: own }] : []
  })
  return { id: 'bridge-add', title: `Container ${call.containerId} on the network ${call.network}`, steps }
}

/** Example addresses, to show what would be done without requesting any; none if the IPAM plugin is not ours. */
export async function exampleLease({ call }: BridgeJob): Promise<Result> {
  const type = ipamType(call.config)
  try {
    if (type === 'static') return await staticIpam.add(call)
    if (type !== 'host-local') return EMPTY
    const { sets, routes } = readHostLocal(call)
    const ips = sets.flatMap((set) => {
      const [address = ''] = candidates(set, undefined)
      const range = rangeFor(set, address)
      return range ? [{ address: `${address}/${range.prefix}`, gateway: range.gateway }] : []
    })
    return { ...EMPTY, ips, routes }
  } catch (error) {
    throw toUsage(error)
  }
}
