import { undoEntries } from '../engine/undo.ts'
import { type LabEvents, type LabReport, runLab } from '../engine/run-lab.ts'
import { CnilabError } from '../errors.ts'
import { exclusively } from '../journal/exclusively.ts'
import { readJournal } from '../journal/journal.ts'
import { flagsFor, type Host } from '../kernel/host.ts'
import type { Kernel } from '../kernel/kernel.ts'
import { netnsOf } from '../operations/names.ts'
import { attachmentOf, type Command, ip } from '../operations/operation.ts'
import { derive, type Operation } from '../operations/registry.ts'
import { FORWARDING } from '../operations/sysctl.ts'
import { gatewayOf } from '../plan/bridge-network.ts'
import { quote } from '../plan/command-line.ts'
import { type Finding, toFindings } from '../plan/finding.ts'
import { scopeOf } from '../plan/scope.ts'
import { acceptRa } from '../plan/container.ts'
import { findLink, HOST, portsOf, type State } from '../state/state.ts'
import { type BridgeJob, fixOf, stepsFor } from './bridge-job.ts'
import { CniError } from './error.ts'
import { callVariables, errorOf, execute, resultOf } from './execute.ts'
import { hostEnd, ownerOf } from './identity.ts'
import { ipamType } from './ipam/ipam.ts'
import { refuseIfThere, toResult } from './plugins/attach.ts'
import { bridgeType } from './plugins/bridge.ts'
import type { BridgeConfig } from './plugins/bridge-config.ts'
import { removalOf } from './plugins/remove.ts'
import type { Call, CniCommand } from './plugin-type.ts'
import { atLeast } from './versions.ts'
import { EMPTY, ownResult, type Result, toVersion } from './result.ts'
import { readCached, removeCached, writeCached } from './runtime/cache.ts'
import { defaultPath, findPlugins } from './runtime/plugin-path.ts'

/** Asks the network's IPAM plugin for something, on the host. Returns what ADD gave, else nothing. Throws CnilabError. */
async function askIpam(host: Host, command: CniCommand, call: Call): Promise<Result> {
  const type = ipamType(call.config)
  if (type === undefined) return EMPTY
  const path = defaultPath(host)
  const file = (await findPlugins(host, [type], path)).get(type) ?? ''
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
 * that DEL and CHECK have it. `draw` is told how many steps there are. Whatever goes wrong, nothing is left. Throws CnilabError `state` before anything is touched.
 */
export async function putOn(
  kernel: Kernel,
  job: BridgeJob,
  draw: (steps: number) => LabEvents,
  signal: AbortSignal,
): Promise<PutOn> {
  const { host } = kernel
  const { call } = job
  return exclusively(host, async () => {
    await refuseAgain(kernel, job)
    const earlier = new Set(readJournal(host).map((entry) => entry.id))
    const lease = await askIpam(host, 'ADD', call)
    try {
      const lab = stepsFor(job, lease)
      const report = await runLab(kernel, lab, draw(lab.steps.length), signal)
      if (!report.error && report.steps.every(({ status }) => status === 'done' || status === 'already'))
        return { report, result: await finish(kernel, job, lease) }
      await takeBack(kernel, call, earlier)
      return { report }
    } catch (error) {
      await takeBack(kernel, call, earlier)
      throw error
    }
  })
}

/** Undoes what was done since, and gives the address back. */
async function takeBack(kernel: Kernel, call: Call, earlier: ReadonlySet<string>): Promise<void> {
  await undoEntries(
    kernel,
    readJournal(kernel.host).filter((entry) => !earlier.has(entry.id)),
  )
  await askIpam(kernel.host, 'DEL', call)
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

/** What to do about an interface that is there: whoever has it on one of our networks is told by its other end. */
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

/** The CNI result of what was made, also in the runtime's cache. */
async function finish(kernel: Kernel, { call, config, network }: BridgeJob, lease: Result): Promise<Result> {
  const netns = netnsOf(call.netns)
  const wanted = bridgeType.completed(config, lease)
  const now = await kernel.read(scopeOf(bridgeType.plan(call, config, netns, wanted).map(derive)))
  const result = toResult(bridgeType, call, config, netns, wanted, now)
  const given = { ...call, args: [], capabilityArgs: {} }
  await writeCached(kernel.host, given, network.text, toVersion(result, network.version))
  return result
}

/**
 * Takes a container off its bridge, whoever put it there: its cable, its rules, its address; with the last port the
 * bridge, its address, and the network's table, if they are ours. Returns the commands, none if nothing was there.
 */
export async function takeOff(kernel: Kernel, job: BridgeJob): Promise<Command[]> {
  const { call, config } = job
  const commands = await exclusively(kernel.host, async () => {
    const own = (isMeant: (operation: Operation) => boolean) =>
      readJournal(kernel.host).filter(({ operation }) => isMeant(operation))
    // What a plugin made is in no journal.
    const removal = await removalOf(kernel, call)
    const isRecorded = own(({ kind, params }) => kind === 'veth' && params.name === hostEnd(call).name).length > 0
    if (removal.length === 0 && !isRecorded) return []
    const { commands: undone } = await undoEntries(
      kernel,
      own((operation) => belongs(operation, job)),
    )
    const rest = await removalOf(kernel, call)
    await kernel.run(rest)
    const bridge = await removeBridge(kernel, config)
    const links = (await kernel.read({ namespaces: new Set() })).get(HOST)?.links ?? []
    // Others may rely on forwarding that need no masquerading.
    const isSetting = ({ kind, params }: Operation) =>
      kind === 'sysctl' &&
      ([config.bridge, gatewayOf(config)].some(
        (one) => params.key === acceptRa(one) && !links.some(({ name }) => name === one),
      ) ||
        (FORWARDINGS.includes(params.key) && !links.some((link) => link.kind === 'bridge')))
    const { commands: reset } = await undoEntries(kernel, own(isSetting))
    return [...undone, ...rest, ...bridge, ...reset]
  })
  await askIpam(kernel.host, 'DEL', call)
  await removeCached(kernel.host, call)
  return commands
}

/** The commands that `takeOff` would run now, without the settings of the host that it may reset. */
export async function wouldTakeOff(kernel: Kernel, { call, config }: BridgeJob): Promise<Command[]> {
  const removal = await removalOf(kernel, call)
  if (removal.length === 0) return []
  const now = await kernel.read({ namespaces: new Set() })
  const isLast = portsOf(now, config.bridge).every((port) => port === hostEnd(call).name)
  const isOurs =
    kernel.host.kind === 'machine'
      ? readJournal(kernel.host).some(
          ({ operation: { kind, params } }) => kind === 'bridge' && params.name === config.bridge,
        )
      : findLink(now, config.bridge)?.mac === config.bridgeMac
  return isLast && isOurs ? [...removal, ip(undefined, 'link', 'delete', 'dev', config.bridge)] : removal
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

/** Whether an operation of the journal is of this attachment, or of what all of its network share. */
function belongs({ kind, params }: Operation, { call, config }: BridgeJob): boolean {
  const { name } = hostEnd(call)
  const netns = netnsOf(call.netns)
  const gateway = gatewayOf(config)
  switch (kind) {
    case 'bridge':
      return params.name === config.bridge && params.mark?.mac === config.bridgeMac
    case 'veth':
      return params.name === name
    case 'attach-bridge':
    case 'mac-spoof-check':
      return params.ifname === name
    case 'port-vlans':
      return [name, config.bridge].includes(params.ifname)
    case 'promiscuous':
      return params.ifname === config.bridge
    case 'vlan':
      return params.name === gateway
    case 'address':
    case 'up':
      return params.netns === undefined
        ? [name, config.bridge, gateway].includes(params.ifname)
        : params.netns === netns && params.ifname === call.ifname
    case 'route':
      return params.netns === netns && params.dev === call.ifname
    case 'network-masquerade':
      return params.network === call.network
    case 'masqueraded-address':
      return params.owner === ownerOf(call)
    default:
      return false
  }
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
