import { createHash } from 'node:crypto'
import { resolve } from 'node:path'
import { CnilabError } from '../../errors.ts'
import { parseUntrusted } from '../protocol/given-json.ts'
import type { CniCommand } from '../protocol/plugin-type.ts'
import { readArgs } from '../protocol/request.ts'
import { wrongContainerId, wrongInterfaceName, wrongNetworkName } from '../../rules/names.ts'
import type { RuntimeConf } from './cache.ts'
import { type FoundNetwork, findNetwork } from '../config/discover.ts'

/** The user's arguments and flags; undefined if left out. */
export interface RequestArguments {
  network: string
  netns?: string | undefined
  confDir?: string | undefined
  cniPath?: string | undefined
  cid?: string | undefined
  ifname?: string | undefined
  args?: string | undefined
  capArgs?: string | undefined
  /** `CID/IFNAME` of attachments that GC leaves alone. */
  keep?: readonly string[] | undefined
}

/** A validated request of the user to the runtime. */
export interface Request {
  /** The network; for DEL an error if it is not configured, as the cache may still have its configuration. */
  found: FoundNetwork | CnilabError
  /** The directories of CNI_PATH; undefined for the default ones. */
  path: readonly string[] | undefined
  given: RuntimeConf
  /** Whether the user gave arguments; otherwise DEL and CHECK use those of ADD. */
  has: { args: boolean; capabilityArgs: boolean }
  keep: readonly { containerId: string; ifname: string }[]
}

/**
 * Reads a request. Flags default to cnitool's environment variables: NETCONFPATH, CNI_PATH, CNI_IFNAME, CNI_ARGS, CAP_ARGS.
 * Reads the network's configuration, and changes nothing. Throws CnilabError `usage`.
 */
export function readRequest(
  command: CniCommand,
  typed: RequestArguments,
  env: Readonly<Record<string, string | undefined>>,
): Request {
  const { network } = typed
  refuse(wrongNetworkName(network))
  const netns = typed.netns === undefined ? '' : netnsPath(typed.netns)
  const containerId = typed.cid ?? defaultContainerId(netns)
  const ifname = typed.ifname ?? (env['CNI_IFNAME'] || 'eth0')
  refuse(wrongContainerId(containerId) ?? wrongInterfaceName(ifname))
  const args = typed.args ?? (env['CNI_ARGS'] || undefined)
  const capArgs = typed.capArgs ?? (env['CAP_ARGS'] || undefined)
  const cniPath = typed.cniPath ?? (env['CNI_PATH'] || undefined)
  const folder = typed.confDir ?? (env['NETCONFPATH'] || undefined)
  const given = {
    network,
    containerId,
    ifname,
    netns,
    args: args === undefined ? [] : pairsOf(args),
    capabilityArgs: capArgs === undefined ? {} : objectOf(capArgs),
  }
  return {
    path: cniPath?.split(':').flatMap((part) => (part === '' ? [] : [resolve(part)])),
    given,
    has: { args: args !== undefined, capabilityArgs: capArgs !== undefined },
    keep: (typed.keep ?? []).map(attachmentOf),
    found: find(command, network, folder),
  }
}

function refuse(wrong: string | undefined): void {
  if (wrong !== undefined) throw new CnilabError('usage', wrong)
}

/** Finds the network. For DEL, returns the error: a container can still be removed from a network that is no longer configured. */
function find(command: CniCommand, network: string, folder: string | undefined): FoundNetwork | CnilabError {
  try {
    return findNetwork(network, folder)
  } catch (error) {
    if (command === 'DEL' && error instanceof CnilabError) return error
    throw error
  }
}

/** The path of a namespace, given by its name in `ip netns`, or by a path. Throws CnilabError `usage`. */
export function netnsPath(netns: string): string {
  if (netns === '' || netns === '.' || netns === '..')
    throw new CnilabError('usage', `'${netns}' is neither the name nor the path of a network namespace`)
  return netns.includes('/') ? resolve(netns) : `/run/netns/${netns}`
}

/** The container id that cnitool uses for a namespace, so that we find what it made. */
function defaultContainerId(netns: string): string {
  return `cnitool-${createHash('sha512').update(netns).digest('hex').slice(0, 20)}`
}

function pairsOf(args: string): [string, string][] {
  try {
    return Object.entries(readArgs(args))
  } catch (error) {
    throw new CnilabError('usage', error instanceof Error ? error.message : String(error), {
      fix: "for example: --args 'IP=10.22.0.9;IgnoreUnknown=1'",
    })
  }
}

function objectOf(text: string): Record<string, unknown> {
  let json: unknown
  try {
    json = parseUntrusted(text)
  } catch {
    json = undefined
  }
  if (typeof json === 'object' && json !== null && !Array.isArray(json)) return { ...json }
  throw new CnilabError('usage', `the arguments for capabilities (CAP_ARGS) are not a JSON object: ${text}`, {
    fix: `for example: --cap-args '{"portMappings":[{"hostPort":8080,"containerPort":80,"protocol":"tcp"}]}'`,
  })
}

function attachmentOf(text: string): { containerId: string; ifname: string } {
  const at = text.indexOf('/')
  const [containerId, ifname] = [text.slice(0, Math.max(at, 0)), text.slice(at + 1)]
  if (at < 0 || wrongContainerId(containerId) !== undefined || wrongInterfaceName(ifname) !== undefined)
    throw new CnilabError('usage', `'${text}' is not an attachment`, { fix: 'for example: --keep web-1/eth0' })
  return { containerId, ifname }
}
