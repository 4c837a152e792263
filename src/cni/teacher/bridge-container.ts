import { undoEntries } from '../../engine/undo.ts'
import { type LabEvents, type LabReport, runLab } from '../../lab/run/automatic.ts'
import { CnilabError } from '../../errors.ts'
import { exclusively } from '../../journal/exclusively.ts'
import { type Entry, readJournal } from '../../journal/journal.ts'
import { flagsFor, type Host } from '../../kernel/host.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import { netnsOf } from '../../operations/names.ts'
import { attachmentOf, type Command, ip, type Resource, resource } from '../../operations/operation.ts'
import { derive } from '../../operations/registry.ts'
import { acceptRa, FORWARDING } from '../../operations/sysctl.ts'
import { gatewayOf } from '../../plan/bridge-network.ts'
import { quote } from '../../plan/command-line.ts'
import { type Finding, toFindings } from '../../plan/finding.ts'
import { scopeOf } from '../../plan/scope.ts'
import { findLink, HOST, portsOf, type State } from '../../state/state.ts'
import { type BridgeJob, fixOf, stepsFor } from './bridge-job.ts'
import { CniError } from '../protocol/error.ts'
import { callVariables, errorOf, execute, resultOf } from '../protocol/execute.ts'
import { hostEnd, ownerOf, ownersOf } from '../plugins/identity.ts'
import { ipamType } from '../ipam/ipam.ts'
import { refuseIfThere, toResult } from '../plugins/attach.ts'
import { bridgeType } from '../plugins/bridge.ts'
import type { BridgeConfig } from '../plugins/bridge-config.ts'
import { foreignTablesOf, removalOf, remove } from '../plugins/remove.ts'
import type { Call, CniCommand } from '../protocol/plugin-type.ts'
import { tellResult } from '../protocol/run-plugin.ts'
import { atLeast } from '../protocol/versions.ts'
import { EMPTY, ownResult, type Result, toVersion } from '../protocol/result.ts'
import { readCached, removeCached, requireOwnCache, writeCached } from '../runtime/cache.ts'
import { defaultPath, findPluginsOn } from '../programs/plugin-path.ts'

/** Asks the network's IPAM plugin for something, on the host. Returns what ADD gave, else nothing. Throws CnilabError. */
async function askIpam(host: Host, command: CniCommand, call: Call): Promise<Result> {
  const type = ipamType(call.config)
  if (type === undefined) return EMPTY
  const path = defaultPath(host)
  const file = (await findPluginsOn(host, [type], path)).get(type) ?? ''
  const execution = await execute(
    host,
    file,
    callVariables(command, { ...call, args: '', path }),
    JSON.stringify(call.config),
  )
  try {
    if (command === 'ADD') return resultOf(type, execution)
    const error = errorOf(type, execution)
    if (error) throw error
    return EMPTY
  } catch (error) {
    if (error instanceof CniError)
      throw new CnilabError('state', `${type}, ${command}: ${error.message}`, { cause: error, ...fixOf(error) })
    throw error
  }
}

/** What came of putting a container on its bridge: the steps, and the CNI result if all of them were done. */
export interface PutOn {
  report: LabReport
  result?: Result
}

/**
 * Puts a container on its bridge: asks for an address, does steps 2 to 8, and caches the CNI result as a runtime does, so
 * that DEL and CHECK have it. `draw` is told how many steps there are, `tell` writes the result as the last step. Whatever
 * goes wrong, nothing is left. Throws CnilabError `state` before anything is touched, and if the result cannot be told.
 */
export async function putOn(
  kernel: Kernel,
  job: BridgeJob,
  draw: (steps: number) => LabEvents,
  signal: AbortSignal,
  tell?: (text: string) => void,
): Promise<PutOn> {
  const { host } = kernel
  const { call } = job
  requireOwnCache(host)
  return exclusively(host, async () => {
    await refuseAgain(kernel, job)
    const earlier = new Set(readJournal(host).map((entry) => entry.id))
    const lease = await askIpam(host, 'ADD', call)
    try {
      const lab = stepsFor(job, lease)
      const report = await runLab(kernel, lab, draw(lab.steps.length), signal, ownerOf(call))
      if (!report.error && report.steps.every(({ status }) => status === 'done' || status === 'already'))
        return { report, result: await finish(kernel, job, lease, tell) }
      await rollBack(kernel, call, earlier)
      return { report }
    } catch (error) {
      await rollBack(kernel, call, earlier)
      throw error
    }
  })
}

/** Undoes what was done since, and gives the address back. */
async function rollBack(kernel: Kernel, call: Call, earlier: ReadonlySet<string>): Promise<void> {
  await undoEntries(
    kernel,
    readJournal(kernel.host).filter((entry) => !earlier.has(entry.id)),
  )
  await askIpam(kernel.host, 'DEL', call)
  await removeCached(kernel.host, call)
}

/** The same container twice is an error, and the first is left alone. */
async function refuseAgain(kernel: Kernel, { call, config }: BridgeJob): Promise<void> {
  const netns = netnsOf(call.netns)
  const now = await kernel.read(scopeOf(bridgeType.plan(call, config, netns, EMPTY).map(derive)))
  try {
    refuseIfThere(call, netns, now)
  } catch (error) {
    if (!(error instanceof CniError)) throw error
    throw new CnilabError('state', error.message, { cause: error, fix: remedyFor(kernel.host, call, now) })
  }
}

/** What to do about an interface that is there: its other end tells which container has it on one of our networks. */
function remedyFor(host: Host, call: Call, now: State): string {
  const netns = netnsOf(call.netns)
  const near = findLink(now, call.ifname, netns)
  const far = now.get(HOST)?.links.find(({ index, alias }) => index === near?.peerIndex && alias !== undefined)
  const other = attachmentOf(far?.alias)
  if (!other)
    return `see whose it is with: cnilab exec --netns ${quote(netns)}${flagsFor(host)} -- ip -d link show ${quote(call.ifname)}`
  const { network, containerId } = other
  const what = containerId === call.containerId ? 'it' : `container ${containerId}`
  return `cnilab bridge del ${quote(containerId)} ${quote(netns)}${flagsFor(host)} takes ${what} off ${network} first`
}

/** The CNI result of what was made, also in the runtime's cache, and told. Throws CnilabError `state` if it cannot be. */
async function finish(
  kernel: Kernel,
  { call, config, network }: BridgeJob,
  lease: Result,
  tell: (text: string) => void = () => undefined,
): Promise<Result> {
  const netns = netnsOf(call.netns)
  const wanted = bridgeType.completed(config, lease)
  const now = await kernel.read(scopeOf(bridgeType.plan(call, config, netns, wanted).map(derive)))
  const result = toResult(bridgeType, call, config, netns, wanted, now)
  const given = { ...call, args: [], capabilityArgs: {} }
  const shown = toVersion(result, network.version)
  await writeCached(kernel.host, given, network.text, shown)
  try {
    tellResult(shown, tell)
  } catch (error) {
    if (!(error instanceof CniError)) throw error
    throw new CnilabError('state', error.message, { cause: error, ...fixOf(error) })
  }
  return result
}

/** What came of taking a container off: the commands that were run, and what was left alone because it is others', in words. */
export interface TakenOff {
  commands: Command[]
  foreign: string[]
}

/**
 * Takes a container off its bridge, no matter who put it there: its cable, its rules, its address; with the last port the
 * bridge, its address, and the network's table, if they are ours. What an earlier call did not finish is finished. Throws
 * CnilabError `state` if somebody changed something of it.
 */
export async function takeOff(kernel: Kernel, job: BridgeJob): Promise<TakenOff> {
  const { call, config } = job
  const takenOff = await exclusively(kernel.host, async () => {
    const own = (isMeant: (entry: Entry) => boolean) => readJournal(kernel.host).filter(isMeant)
    const { commands: undone, left } = await undoEntries(
      kernel,
      own((entry) => belongs(entry, job)),
    )
    if (left.length > 0)
      throw new CnilabError('state', `could not undo: ${left.join('; ')}`, {
        fix: 'put it back or remove it by hand, and run it again',
      })
    // What a plugin made is in no journal.
    const rest = await remove(kernel, () => removalOf(kernel, call))
    const bridge = rest.length === 0 ? [] : await removeBridge(kernel, config)
    const links = (await kernel.read({ namespaces: new Set() })).get(HOST)?.links ?? []
    const isGone = (ifname: string) => !links.some(({ name }) => name === ifname)
    // Others may rely on forwarding that need no masquerading.
    const isSetting = ({ operation, owner }: Entry) =>
      owner !== undefined &&
      (derive(operation).reads.sysctls ?? []).some(
        (key) =>
          [config.bridge, gatewayOf(config)].some((one) => key === acceptRa(one) && isGone(one)) ||
          (FORWARDINGS.includes(key) && !links.some((link) => link.kind === 'bridge')),
      )
    const { commands: reset } = await undoEntries(kernel, own(isSetting))
    return { commands: [...undone, ...rest, ...bridge, ...reset], foreign: await foreignTablesOf(kernel, call) }
  })
  await askIpam(kernel.host, 'DEL', call)
  await removeCached(kernel.host, call)
  return takenOff
}

/** The commands that `takeOff` would run now, without the settings of the host that it may reset. */
export async function wouldTakeOff(kernel: Kernel, { call, config }: BridgeJob): Promise<TakenOff> {
  const removal = await removalOf(kernel, call)
  const now = await kernel.read({ namespaces: new Set() })
  const isLast = portsOf(now, config.bridge).every((port) => port === hostEnd(call).name)
  const isThere = findLink(now, config.bridge)?.mac === config.bridgeMac
  const isRecorded = readJournal(kernel.host).some(
    ({ operation, owner }) =>
      derive(operation).marks.some(({ ifname, netns }) => ifname === config.bridge && netns === undefined) &&
      owner?.startsWith(ownersOf(call.network)) === true,
  )
  const isOurs = isRecorded || (kernel.host.kind === 'sandbox' && removal.length > 0)
  const bridge = isLast && isThere && isOurs ? [ip(undefined, 'link', 'delete', 'dev', config.bridge)] : []
  return { commands: [...removal, ...bridge], foreign: await foreignTablesOf(kernel, call) }
}

/** The bridge goes with its last port, if its MAC says that it is ours; a machine's is ours if the journal says so. */
async function removeBridge(kernel: Kernel, { bridge, bridgeMac }: BridgeConfig): Promise<Command[]> {
  const now = await kernel.read({ namespaces: new Set() })
  if (kernel.host.kind === 'machine' || findLink(now, bridge)?.mac !== bridgeMac) return []
  if (portsOf(now, bridge).length > 0) return []
  const commands = [ip(undefined, 'link', 'delete', 'dev', bridge)]
  await kernel.run(commands)
  return commands
}

const FORWARDINGS: readonly string[] = Object.values(FORWARDING)

/** Whether an entry of the journal was made by `bridge add`, for this attachment or for what all of its network share. */
function belongs({ operation, owner }: Entry, { call, config }: BridgeJob): boolean {
  const { shared: isShared, reads, needs, provides, tables } = derive(operation)
  const isHostSetting = reads.sysctls !== undefined && reads.namespaces.length === 0
  if (owner === ownerOf(call)) return !isHostSetting // others may need those
  if (!isShared || owner?.startsWith(ownersOf(call.network)) !== true) return false
  const shared = new Set<Resource>([config.bridge, gatewayOf(config)].map((ifname) => resource.link(ifname)))
  return tables.length > 0 || [...needs, ...provides].some((one) => shared.has(one))
}

/** Compares what ADD made, as the cache has it, with the kernel and the IPAM plugin. Throws CnilabError `state`. */
export async function examine(kernel: Kernel, { call, config, network }: BridgeJob): Promise<Finding[]> {
  const cached = await readCached(kernel.host, call)
  if (cached === undefined || cached === 'bad')
    throw new CnilabError('state', `container ${call.containerId} was not put on the network ${call.network}`, {
      fix: `cnilab bridge add ${quote(call.containerId)} ${quote(netnsOf(call.netns))}${flagsFor(kernel.host)}`,
    })
  const result = ownResult({ prevResult: cached.result, ifname: call.ifname })
  const derived = bridgeType.plan(call, config, netnsOf(call.netns), bridgeType.completed(config, result)).map(derive)
  const findings = toFindings(derived, await kernel.read(scopeOf(derived)))
  const prevResult = toVersion(cached.result, network.version)
  if (atLeast(network.version, '0.4.0'))
    await askIpam(kernel.host, 'CHECK', { ...call, config: { ...call.config, prevResult } })
  return findings
}
