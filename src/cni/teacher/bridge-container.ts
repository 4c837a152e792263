import { prepare, readFor } from '../../engine/do.ts'
import { guardOf, refuseToCutOff } from '../../engine/guard.ts'
import { runRemoval } from '../../engine/run-removal.ts'
import { undoEntries } from '../../engine/undo.ts'
import { type LabEvents, type LabReport, runLab } from '../../lab/run/automatic.ts'
import { CnilabError } from '../../errors.ts'
import { exclusively } from '../../journal/exclusively.ts'
import { type JournalEntry, readJournal } from '../../journal/journal.ts'
import { flagsFor, type Host } from '../../kernel/host.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import { netnsOf } from '../../rules/names.ts'
import { attachmentOf, type Command, ip, type Resource, resource } from '../../operations/operation.ts'
import { bindOperation } from '../../operations/registry.ts'
import { acceptRa, FORWARDING } from '../../operations/sysctl.ts'
import { gatewayOf } from '../../plan/bridge-network.ts'
import { quote } from '../../plan/command-line.ts'
import { withoutPrefix } from '../../plan/container.ts'
import { type Finding, toFindings } from '../../plan/finding.ts'
import { scopeOf } from '../../plan/scope.ts'
import { findLink, HOST, portsOf, type State } from '../../state/state.ts'
import { askIpam } from './ask-ipam.ts'
import { type BridgeJob, fixOf, operationsFor, stepsFor } from './bridge-job.ts'
import { cacheContainer, cacheIntent } from './containers.ts'
import { ipamType } from '../ipam/ipam.ts'
import { CODE, CniError } from '../protocol/error.ts'
import { hostEnd, ownerOf, ownersOf } from '../plugins/identity.ts'
import { refuseIfThere, toResult } from '../plugins/attach.ts'
import { bridgeType } from '../plugins/bridge.ts'
import type { BridgeConfig } from '../plugins/bridge-config.ts'
import { dropsOf, LET_THROUGH } from '../plugins/forward-drop.ts'
import { foreignTablesOf, removalOf } from '../plugins/remove.ts'
import type { Call } from '../protocol/plugin-type.ts'
import { deliverResult } from '../protocol/run-plugin.ts'
import { atLeast } from '../protocol/versions.ts'
import { EMPTY, ownResult, type Result, toVersion } from '../protocol/result.ts'
import { readCached, removeCached, requireOwnCache } from '../runtime/cache.ts'

/** The outcome of attaching a container to its bridge: the steps, and the CNI result if all of them were done. */
export interface AttachOutcome {
  report: LabReport
  result?: Result
  /** What was run first: it removed other addresses of the bridge, as `forceAddress` asks for. */
  cleared: readonly Command[]
}

/**
 * Attaches a container to its bridge: requests an address, does steps 2 to 8, and caches the CNI result for DEL and CHECK, as
 * a runtime does. `draw` gets the number of steps; `deliver` writes the result as the last step. If anything goes wrong,
 * nothing is left. Throws CnilabError `state` before it changes anything, and if `deliver` cannot write the result.
 */
export async function attachContainer(
  kernel: Kernel,
  job: BridgeJob,
  draw: (steps: number) => LabEvents,
  signal: AbortSignal,
  deliver?: (text: string) => void,
): Promise<AttachOutcome> {
  const { host } = kernel
  const { call } = job
  requireOwnCache(host)
  return exclusively(host, async () => {
    const before = await refuseAgain(kernel, job)
    const earlier = new Set(readJournal(host).map((entry) => entry.id))
    const forget = await cacheIntent(host, job)
    const lease = await askIpam(host, 'ADD', call).catch(async (error: unknown) => {
      await forget()
      throw error
    })
    let goBack: (() => Promise<void>) | undefined
    const undo = async () => {
      await rollBack(kernel, call, earlier)
      await goBack?.()
    }
    try {
      const way = await makeWay(kernel, job, lease, before)
      goBack = way.goBack
      const lab = stepsFor(job, lease, before)
      const report = await runLab(kernel, lab, draw(lab.steps.length), signal, ownerOf(call))
      if (!report.error && report.steps.every(({ status }) => status === 'done' || status === 'already'))
        return { report, result: await finish(kernel, job, lease, before, deliver), cleared: way.cleared }
      await undo()
      const explained = bridgeType.explain?.(job.config, report.error)
      if (explained instanceof CniError) report.error = inWords(explained)
      return { report, cleared: [] }
    } catch (error) {
      await undo()
      throw error instanceof CniError ? inWords(error) : error
    }
  })
}

/** An error of the plugin's as one of ours. */
function inWords(error: CniError): CnilabError {
  return new CnilabError('state', error.message, { cause: error, ...fixOf(error) })
}

/**
 * Removes other addresses of the bridge where the configuration says `forceAddress`, unless that would cut the host off.
 * Throws CniError `exists` where it does not, and CniError `delegate` if there is no address for the container.
 */
async function makeWay(kernel: Kernel, job: BridgeJob, lease: Result, before: State) {
  const { call, config } = job
  if (ipamType(call.config) !== undefined && lease.ips.length === 0)
    throw new CniError(CODE.delegate, 'the IPAM plugin gave no address', 'see its configuration under "ipam"')
  const cleared: Command[] = []
  const guarded: Kernel = {
    ...kernel,
    run: async (commands, options) => {
      // What would stop a later step, such as a bridge of others on the machine, keeps its addresses.
      const { operations, now } = await readFor(kernel, operationsFor(job, lease, before))
      prepare(kernel.host, operations, now, {})
      const guard = guardOf(kernel.host, await kernel.read({ namespaces: new Set() }))
      refuseToCutOff(kernel.host, 'Remove the other addresses of the bridge', commands, guard)
      await kernel.run(commands, options)
      cleared.push(...commands)
    },
  }
  const goBack = await bridgeType.makeWay?.(guarded, config, bridgeType.completed(config, lease), before)
  return { goBack, cleared: [...cleared] }
}

/** Undoes the journal's entries since `earlier`, and releases the address. */
async function rollBack(kernel: Kernel, call: Call, earlier: ReadonlySet<string>): Promise<void> {
  await undoEntries(
    kernel,
    readJournal(kernel.host).filter((entry) => !earlier.has(entry.id)),
  )
  await askIpam(kernel.host, 'DEL', call)
  await removeCached(kernel.host, call)
}

/** Returns the state before anything is made. Throws CnilabError `state` if the container is already attached. */
async function refuseAgain(kernel: Kernel, job: BridgeJob): Promise<State> {
  const { call } = job
  const now = await kernel.read(scopeOf(operationsFor(job, EMPTY).map(bindOperation)))
  try {
    refuseIfThere(call, netnsOf(call.netns), now)
    await refuseAnew(kernel.host, call)
    return now
  } catch (error) {
    if (!(error instanceof CniError)) throw error
    throw new CnilabError('state', error.message, { cause: error, fix: remedyFor(kernel.host, call, now) })
  }
}

/** Throws CniError `exists` if the container was attached in another namespace: its cable went with that, not its address. */
async function refuseAnew(host: Host, call: Call): Promise<void> {
  const cached = await readCached(host, call)
  if (cached === undefined || cached === 'bad' || netnsOf(cached.netns) === netnsOf(call.netns)) return
  throw new CniError(
    CODE.exists,
    `container ${call.containerId} is already on the network ${call.network}, in the namespace ${cached.netns}: perhaps it was started anew`,
  )
}

/** What to do about an existing interface: the alias of its other end says which container and network it belongs to. */
function remedyFor(host: Host, call: Call, now: State): string {
  const netns = netnsOf(call.netns)
  const near = findLink(now, call.ifname, netns)
  if (!near) return `cnilab bridge del ${quote(call.containerId)} ${quote(netns)}${flagsFor(host)} removes that first`
  const far = now.get(HOST)?.links.find(({ index, alias }) => index === near.peerIndex && alias !== undefined)
  const other = attachmentOf(far?.alias)
  if (!other)
    return `find out whose it is with: cnilab exec --netns ${quote(netns)}${flagsFor(host)} -- ip -d link show ${quote(call.ifname)}${host.kind === 'machine' ? '; where a container runtime made it, start the container without a network, as with docker run --network=none' : ''}`
  const { network, containerId } = other
  const what = containerId === call.containerId ? 'it' : `container ${containerId}`
  return `cnilab bridge del ${quote(containerId)} ${quote(netns)}${flagsFor(host)} removes ${what} from ${network} first`
}

/** Caches and writes the CNI result, and returns it. Throws CnilabError `state` if it cannot be written. */
async function finish(
  kernel: Kernel,
  job: BridgeJob,
  lease: Result,
  before: State,
  deliver: (text: string) => void = () => undefined,
): Promise<Result> {
  const { call, config, network } = job
  const netns = netnsOf(call.netns)
  const wanted = bridgeType.completed(config, lease)
  await bridgeType.settle?.(kernel, call, config, netns, wanted, before, (wait) => wait())
  const now = await kernel.read(scopeOf(operationsFor(job, lease, before).map(bindOperation)))
  const result = toResult(bridgeType, call, config, netns, wanted, now)
  const shown = toVersion(result, network.version)
  await cacheContainer(kernel.host, job, shown)
  try {
    deliverResult(shown, deliver)
  } catch (error) {
    throw error instanceof CniError ? inWords(error) : error
  }
  return result
}

/** The outcome of removing a container: the commands that were run, and what stays because it is somebody else's, in words. */
export interface DetachOutcome {
  commands: Command[]
  foreign: string[]
}

/**
 * Removes a container from its bridge, no matter who attached it: its cable, its rules, its address; and with the last port
 * the bridge, the bridge's address, and the network's table, if they are ours. Also finishes an earlier call that was
 * interrupted. Throws CnilabError `state` if somebody changed something of it.
 */
export async function detachContainer(kernel: Kernel, job: BridgeJob): Promise<DetachOutcome> {
  const { call, config } = job
  const outcome = await exclusively(kernel.host, async () => {
    const own = (isMeant: (entry: JournalEntry) => boolean) => readJournal(kernel.host).filter(isMeant)
    const { commands: undone, left } = await undoEntries(
      kernel,
      own((entry) => belongs(entry, job)),
    )
    if (left.length > 0)
      throw new CnilabError('state', `could not undo: ${left.join('; ')}`, {
        fix: 'change it back or remove it by hand, then run this again',
      })
    // The journal does not know what a plugin made.
    const rest = await runRemoval(kernel, () => removalOf(kernel, call))
    const bridge = rest.length === 0 ? [] : await removeBridge(kernel, config)
    const links = (await kernel.read({ namespaces: new Set() })).get(HOST)?.links ?? []
    const isGone = (ifname: string) => !links.some(({ name }) => name === ifname)
    // Others may rely on forwarding without masquerading.
    const isSetting = ({ operation, owner }: JournalEntry) =>
      owner !== undefined &&
      (bindOperation(operation).reads.sysctls ?? []).some(
        (key) =>
          [config.bridge, gatewayOf(config)].some((one) => key === acceptRa(one) && isGone(one)) ||
          (FORWARDINGS.includes(key) && !links.some((link) => link.kind === 'bridge')),
      )
    const { commands: reset } = await undoEntries(kernel, own(isSetting))
    return { commands: [...undone, ...rest, ...bridge, ...reset], foreign: await foreignTablesOf(kernel, call) }
  })
  await askIpam(kernel.host, 'DEL', call)
  await removeCached(kernel.host, call)
  return outcome
}

/** The commands that `detachContainer` would run now, except for settings of the host that it may reset. */
export async function planDetach(kernel: Kernel, { call, config }: BridgeJob): Promise<DetachOutcome> {
  const removal = await removalOf(kernel, call)
  const now = await kernel.read({ namespaces: new Set() })
  const isLast = portsOf(now, config.bridge).every((port) => port === hostEnd(call).name)
  const isThere = findLink(now, config.bridge)?.mac === config.bridgeMac
  const isRecorded = readJournal(kernel.host).some(
    ({ operation, owner }) =>
      bindOperation(operation).marks.some(({ ifname, netns }) => ifname === config.bridge && netns === undefined) &&
      owner?.startsWith(ownersOf(call.network)) === true,
  )
  const isOurs = isRecorded || (kernel.host.kind === 'sandbox' && removal.length > 0)
  const bridge = isLast && isThere && isOurs ? [ip(undefined, 'link', 'delete', 'dev', config.bridge)] : []
  return { commands: [...removal, ...bridge], foreign: await foreignTablesOf(kernel, call) }
}

/** Deletes a sandbox's bridge if it has no ports left and its MAC says that it is ours. On the machine, undo does it by the journal. */
async function removeBridge(kernel: Kernel, { bridge, bridgeMac }: BridgeConfig): Promise<readonly Command[]> {
  if (kernel.host.kind === 'machine') return []
  return runRemoval(kernel, async () => {
    const now = await kernel.read({ namespaces: new Set() })
    const isFree = findLink(now, bridge)?.mac === bridgeMac && portsOf(now, bridge).length === 0
    return isFree ? [ip(undefined, 'link', 'delete', 'dev', bridge)] : []
  })
}

const FORWARDINGS: readonly string[] = Object.values(FORWARDING)

/** Whether `bridge add` made a journal entry, for this attachment or for what its whole network shares. */
function belongs({ operation, owner }: JournalEntry, { call, config }: BridgeJob): boolean {
  const { shared: isShared, reads, needs, provides, tables } = bindOperation(operation)
  const isHostSetting = reads.sysctls !== undefined && reads.namespaces.length === 0
  if (owner === ownerOf(call)) return !isHostSetting // others may need those
  if (!isShared || owner?.startsWith(ownersOf(call.network)) !== true) return false
  const shared = new Set<Resource>([config.bridge, gatewayOf(config)].map((ifname) => resource.link(ifname)))
  return tables.length > 0 || [...needs, ...provides].some((one) => shared.has(one))
}

/** What rules of others drop of what a container sends out, in words, if its network is to reach the outside. */
export async function dropsFor(kernel: Kernel, { config }: BridgeJob, { ips }: Result): Promise<string[]> {
  const reached = ips.map(({ address }) => ({ address: withoutPrefix(address), ifname: gatewayOf(config) }))
  return config.masquerade ? dropsOf(kernel, reached) : []
}

async function dropFindings(kernel: Kernel, job: BridgeJob, result: Result): Promise<Finding[]> {
  return (await dropsFor(kernel, job, result)).map((actual, i) => ({
    id: `forward.${job.call.containerId}.${i + 1}`,
    step: 'masquerade',
    passed: false,
    what: 'Let the packets of the container through',
    expected: 'no rule of others drops what the container sends out',
    actual,
    why: LET_THROUGH,
    fix: [],
    dependsOn: [],
  }))
}

/** Checks the kernel and the IPAM plugin against the cached result of ADD. Throws CnilabError `state`. */
export async function checkContainer(kernel: Kernel, job: BridgeJob): Promise<Finding[]> {
  const { call, network } = job
  const cached = await readCached(kernel.host, call)
  if (cached === undefined || cached === 'bad')
    throw new CnilabError('state', `container ${call.containerId} is not attached to the network ${call.network}`, {
      fix: `cnilab bridge add ${quote(call.containerId)} ${quote(netnsOf(call.netns))}${flagsFor(kernel.host)}`,
    })
  const result = ownResult({ prevResult: cached.result, ifname: call.ifname })
  const bound = operationsFor(job, result).map(bindOperation)
  const findings = [
    ...toFindings(bound, await kernel.read(scopeOf(bound))),
    ...(await dropFindings(kernel, job, result)),
  ]
  const prevResult = toVersion(cached.result, network.version)
  if (atLeast(network.version, '0.4.0'))
    await askIpam(kernel.host, 'CHECK', { ...call, config: { ...call.config, prevResult } })
  return findings
}
