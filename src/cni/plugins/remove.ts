import { runRemoval } from '../../engine/run-removal.ts'
import { CnilabError } from '../../errors.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import type { Scope } from '../../kernel/snapshot.ts'
import { spoofCheckRemoval, spoofCheckTable, watchedPorts } from '../../operations/mac-spoof-check.ts'
import { isIpv6 } from '../../ip-arithmetic.ts'
import { masqueradeTable } from '../../operations/network-masquerade.ts'
import { removeOwned } from '../../operations/nft-elements.ts'
import { foreignTable } from '../../operations/nft-tables.ts'
import { aliasOf, type Command, ip } from '../../operations/operation.ts'
import { findLink, HOST, type State } from '../../state/state.ts'
import { containerNetnsIfThere, lockMachine, ownKernel } from '../host.ts'
import { hostEnd, isHostEnd, ownerOf, ownersOf } from './identity.ts'
import { removeReferenceChain } from './reference-chains.ts'
import type { Attachment, Call, ValidAttachments } from '../protocol/plugin-type.ts'

/** What DEL and GC of a type take away. */
export interface Removal {
  /** Removes what there is of a call's attachment, but for its addresses. Throws the first error at the end. */
  one: (call: Call) => Promise<void>
  /** The same of all attachments of a network but these. */
  stale: (network: Pick<Attachment, 'network'>, valid: ValidAttachments) => Promise<void>
}

/** A cable and rules are taken away; with `guards` there may also be a rule that guards the cable. */
export function ofCables({ guards = false } = {}): Removal {
  return { one: (call) => removeAttachment(call, guards), stale: removeStale }
}

const FAMILIES = ['ip', 'ip6'] as const

/** The commands that remove the cable of a call's attachment, and its rules, as far as they exist. */
export async function removalOf(kernel: Kernel, call: Call): Promise<Command[]> {
  return [...(await cableOf(kernel, call)), ...(await rulesOfCall(kernel, call, true))]
}

/** What is somebody else's, and stays, in the tables that hold an attachment's rules, in words. */
export async function foreignTablesOf(kernel: Kernel, call: Call): Promise<string[]> {
  const tables = [
    ...FAMILIES.map((family) => masqueradeTable(call.network, family)),
    spoofCheckTable(hostEnd(call).name),
  ]
  const names = tables.map(({ family, name }) => `${family} ${name}`)
  const now = await readToRemove(kernel, { namespaces: new Set(), links: [], tables: names })
  return tables.flatMap((table) => foreignTable(now.get(HOST)?.rules ?? [], table) ?? [])
}

/** Removes an attachment's cable and rules. Does not stop at an error; throws the first one at the end. */
async function removeAttachment(call: Call, hasSpoofCheck: boolean): Promise<void> {
  const kernel = await ownKernel()
  const { release } = await lockMachine()
  try {
    const netns = containerNetnsIfThere(call.netns)
    const { name } = hostEnd(call)
    let isOurs = false
    const findCable = async () => {
      const commands = await cableOf(kernel, call, netns)
      isOurs ||= commands.some(({ argv }) => argv.includes(name))
      return commands
    }
    // The rules first: the kernel forgets them, which takes 12 ms, while it removes the cable, which takes 20 ms.
    await allOf([runRemoval(kernel, () => rulesOfCall(kernel, call, hasSpoofCheck)), runRemoval(kernel, findCable)])
    // Its cable may have been one of the reference's, whose rules are elsewhere.
    if (!isOurs) await removeReferenceChain(kernel, 'CNI-', call)
  } finally {
    release()
  }
}

/** The command that deletes the cable, which is identified by its name and MAC, or a cable in `netns` that another plugin made. */
async function cableOf(kernel: Kernel, call: Call, netns?: string): Promise<Command[]> {
  const { name, mac } = hostEnd(call)
  const now = await kernel.read({ namespaces: new Set(), links: [name] })
  return findLink(now, name)?.mac === mac
    ? [ip(undefined, 'link', 'delete', 'dev', name)]
    : strangersCable(kernel, call.ifname, netns)
}

/** The commands that remove the rules of a call. `hasSpoofCheck` says that there may also be bridge rules. */
async function rulesOfCall(kernel: Kernel, call: Call, hasSpoofCheck: boolean): Promise<Command[]> {
  const { name } = hostEnd(call)
  const tables = tablesOf(call, hasSpoofCheck ? [name] : [])
  const now = await readToRemove(kernel, { namespaces: new Set(), links: [], tables })
  return rulesOf(call.network, (owner) => owner === ownerOf(call), [name], now)
}

/** Removes everything that belongs to a network but to none of these attachments. */
async function removeStale({ network }: Pick<Attachment, 'network'>, valid: ValidAttachments): Promise<void> {
  const kernel = await ownKernel()
  const attachments = valid.map((one) => ({ network, ...one }))
  const owners = new Set(attachments.map(ownerOf))
  const names = new Set(attachments.map((one) => hostEnd(one).name))
  const isStale = (owner: string) => owner.startsWith(ownersOf(network)) && !owners.has(owner)
  const staleLinks = (now: State) =>
    (now.get(HOST)?.links ?? [])
      .filter((link) => link.alias?.startsWith(aliasOf({ owner: ownersOf(network) })) === true && !names.has(link.name))
      .map((link) => link.name)
  const read = () => readToRemove(kernel, { namespaces: new Set(), rules: new Set([HOST]) })
  const rules = (links: readonly string[], now: State) => {
    // The table of a port that disappeared with its namespace does not say whose it was, and is useless.
    const gone = watchedPorts(now.get(HOST)?.rules ?? []).filter((name) => isHostEnd(name) && !findLink(now, name))
    return rulesOf(network, isStale, [...new Set([...links, ...gone])], now)
  }
  const { release } = await lockMachine()
  try {
    const first = await read()
    const stale = staleLinks(first)
    // Links and rules are independent: a failure must not affect the others.
    await allOf([
      ...stale.map((name) => runRemoval(kernel, () => linkOf(kernel, name))),
      runRemoval(kernel, async () => rules(stale, await read())),
    ])
  } finally {
    release()
  }
}

/** The command that deletes a link of the host; none if it is gone. */
async function linkOf(kernel: Kernel, name: string): Promise<Command[]> {
  const now = await kernel.read({ namespaces: new Set(), links: [name] })
  return findLink(now, name) ? [ip(undefined, 'link', 'delete', 'dev', name)] : []
}

/** Reads the state for a removal, without rules if nft is not installed: then there are none. */
export async function readToRemove(kernel: Kernel, scope: Scope): Promise<State> {
  try {
    return await kernel.read(scope)
  } catch (error) {
    if (!(error instanceof CnilabError) || error.kind !== 'machine') throw error
    return kernel.read({ ...scope, tables: [], rules: new Set() })
  }
}

/** The tables that may hold rules of an attachment: those of the families in its result, or of both. */
function tablesOf({ network, prevResult }: Call, hostEnds: readonly string[]): string[] {
  const ips = prevResult?.ips ?? []
  const isThere = (family: string) => ips.some(({ address }) => isIpv6(address) === (family === 'ip6'))
  const families = ips.length === 0 ? FAMILIES : FAMILIES.filter(isThere)
  return [
    ...families.map((family) => `${family} ${masqueradeTable(network, family).name}`),
    ...hostEnds.map((name) => `bridge ${spoofCheckTable(name).name}`),
  ]
}

/** The commands that remove the rules of the owners for which `isGone` holds. */
function rulesOf(
  network: string,
  isGone: (owner: string) => boolean,
  hostEnds: readonly string[],
  now: State,
): Command[] {
  const rules = now.get(HOST)?.rules ?? []
  return [
    ...FAMILIES.flatMap((family) => removeOwned(masqueradeTable(network, family), isGone, rules)),
    ...hostEnds.flatMap((name) => spoofCheckRemoval(name, rules)),
  ]
}

/**
 * The command that deletes a cable that another plugin made for this container before ours was installed, by the container's
 * end. None if the cable is ours: then it belongs to another attachment.
 */
async function strangersCable(kernel: Kernel, ifname: string, netns: string | undefined): Promise<Command[]> {
  if (netns === undefined) return []
  const link = findLink(await kernel.read({ namespaces: new Set([netns]), links: [] }), ifname, netns)
  if (link?.kind !== 'veth') return []
  const host = (await kernel.read({ namespaces: new Set() })).get(HOST)
  const far = host?.links.find(({ index }) => index === link.peerIndex)
  return far && isHostEnd(far.name) ? [] : [ip(netns, 'link', 'delete', 'dev', ifname)]
}

/** Throws the first error, once all have ended. */
async function allOf(acts: readonly Promise<unknown>[]): Promise<void> {
  const failed = (await Promise.allSettled(acts)).find((result) => result.status === 'rejected')
  if (failed) throw failed.reason
}
