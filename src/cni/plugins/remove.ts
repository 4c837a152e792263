import type { Kernel } from '../../kernel/kernel.ts'
import { lockNetworkNow } from '../../kernel/lock.ts'
import { spoofCheckTable, watchedPorts } from '../../operations/mac-spoof-check.ts'
import { isIpv6 } from '../../operations/names.ts'
import { masqueradeTable } from '../../operations/network-masquerade.ts'
import { hasTable, removeOwned } from '../../operations/nft-elements.ts'
import { aliasOf, type Command, ip } from '../../operations/operation.ts'
import { findLink, HOST, type State } from '../../state/state.ts'
import { backgroundKernel, containerNetnsIfThere, ownKernel } from '../host.ts'
import { hostEnd, isHostEnd, ownerOf, ownersOf } from '../identity.ts'
import type { Attachment, Call, ValidAttachments } from '../plugin-type.ts'

const FAMILIES = ['ip', 'ip6'] as const

/**
 * The commands that take away the cable and the rules of a call's attachment, as far as they are there. `hasSpoofCheck`
 * says that there may be rules of the bridge's own. In `netns`, if any, a cable of another plugin's is looked for.
 */
export async function removalOf(
  kernel: Kernel,
  call: Call,
  hasSpoofCheck: boolean,
  netns?: string,
): Promise<Command[]> {
  const { name, mac } = hostEnd(call)
  const now = await kernel.read({
    namespaces: new Set(),
    links: [name],
    tables: tablesOf(call, hasSpoofCheck ? [name] : []),
  })
  const isOurs = findLink(now, name)?.mac === mac
  const cable = isOurs
    ? [ip(undefined, 'link', 'delete', 'dev', name)]
    : await strangersCable(kernel, call.ifname, netns)
  return [...cable, ...rulesOf(call.network, (owner) => owner === ownerOf(call), [name], now)]
}

/** Takes all of that away. Never stops at an error; the first is thrown at the end. */
export async function removeAttachment(call: Call, hasSpoofCheck: boolean): Promise<void> {
  const kernel = ownKernel()
  const release = lockNetworkNow()
  try {
    await runEach(kernel, await removalOf(kernel, call, hasSpoofCheck, containerNetnsIfThere(call.netns)))
  } finally {
    release()
  }
}

/** Takes away all that belongs to a network and to none of these attachments. */
export async function removeStale({ network }: Pick<Attachment, 'network'>, valid: ValidAttachments): Promise<void> {
  const kernel = ownKernel()
  const attachments = valid.map((one) => ({ network, ...one }))
  const owners = new Set(attachments.map(ownerOf))
  const names = new Set(attachments.map((one) => hostEnd(one).name))
  const release = lockNetworkNow()
  try {
    const now = await kernel.read({ namespaces: new Set(), rules: true })
    const stale = (now.get(HOST)?.links ?? [])
      .filter((link) => link.alias?.startsWith(aliasOf({ owner: ownersOf(network) })) === true && !names.has(link.name))
      .map((link) => link.name)
    // The table of a port that went with its namespace does not tell whose it was, and watches nothing.
    const gone = watchedPorts(now.get(HOST)?.rules ?? []).filter((name) => isHostEnd(name) && !findLink(now, name))
    await runEach(kernel, [
      ...stale.map((name) => ip(undefined, 'link', 'delete', 'dev', name)),
      ...rulesOf(network, (owner) => !owners.has(owner), [...stale, ...gone], now),
    ])
  } finally {
    release()
  }
}

/** The tables that may hold rules of an attachment: of the families that its result has, or of both. */
function tablesOf({ network, prevResult }: Call, hostEnds: readonly string[]): string[] {
  const families = FAMILIES.filter(
    (family) => prevResult?.ips.some(({ address }) => isIpv6(address) === (family === 'ip6')) ?? true,
  )
  return [
    ...families.map((family) => `${family} ${masqueradeTable(network, family).name}`),
    ...hostEnds.map((name) => `bridge ${spoofCheckTable(name)}`),
  ]
}

/** The commands that take away the rules of the owners that are gone. */
function rulesOf(
  network: string,
  isGone: (owner: string) => boolean,
  hostEnds: readonly string[],
  now: State,
): Command[] {
  const rules = now.get(HOST)?.rules ?? []
  return [
    ...FAMILIES.flatMap((family) => removeOwned(masqueradeTable(network, family), isGone, rules)),
    ...hostEnds
      .map(spoofCheckTable)
      .filter((table) => hasTable(rules, 'bridge', table))
      .map((table): Command => ({ tool: 'nft', argv: ['delete', 'table', 'bridge', table] })),
  ]
}

/**
 * A cable that another plugin made for this container, before ours was installed: it goes by the container's end. One of
 * ours is of another attachment.
 */
async function strangersCable(kernel: Kernel, ifname: string, netns: string | undefined): Promise<Command[]> {
  if (netns === undefined) return []
  const link = findLink(await kernel.read({ namespaces: new Set([netns]), links: [] }), ifname, netns)
  if (link?.kind !== 'veth') return []
  const host = (await kernel.read({ namespaces: new Set() })).get(HOST)
  const far = host?.links.find(({ index }) => index === link.peerIndex)
  return far && isHostEnd(far.name) ? [] : [ip(netns, 'link', 'delete', 'dev', ifname)]
}

/** Links and rules are independent of each other: one that fails does not keep the others. Throws the first error. */
async function runEach(kernel: Kernel, commands: readonly Command[]): Promise<void> {
  const rules = commands.filter(({ tool }) => tool === 'nft')
  const others = commands.filter(({ tool }) => tool !== 'nft')
  // The kernel takes 20 ms for either: they had better wait at the same time.
  const inBackground = rules.length > 0 && others.length > 0 ? backgroundKernel() : kernel
  const results = await Promise.allSettled([...others.map((command) => inBackground.run([command])), kernel.run(rules)])
  const failed = results.find((result) => result.status === 'rejected')
  if (failed) throw failed.reason
}
