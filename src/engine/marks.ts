import { statSync } from 'node:fs'
import { type Host, netnsFile } from '../kernel/host.ts'
import { withPath } from '../kernel/host-root.ts'
import type { Before } from '../operations/operation.ts'
import type { Derived, Operation } from '../operations/registry.ts'
import { findLink, type State } from '../state/state.ts'

/** A random MAC, locally administered and unicast (IEEE 802: bits 1 and 0 of the first byte). */
function randomMac(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(6))
  bytes[0] = ((bytes[0] ?? 0) & 0xfc) | 0x02
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(':')
}

/** An operation with a mark, by which what it makes is recognised on the machine. What derives from its owner has one already. */
export function marked(operation: Operation): Operation {
  if ('mark' in operation.params && operation.params.mark) return operation
  if (operation.kind === 'bridge')
    return { kind: 'bridge', params: { ...operation.params, mark: { mac: randomMac() } } }
  if (operation.kind === 'veth')
    return { kind: 'veth', params: { ...operation.params, mark: { mac: randomMac(), peerMac: randomMac() } } }
  if (operation.kind === 'masquerade')
    return { kind: 'masquerade', params: { ...operation.params, mark: { id: crypto.randomUUID().slice(0, 8) } } }
  return operation
}

/** By what a namespace that was made is recognised: the inode of its file, and since when it has it. */
export function fileOf(host: Host, { operation }: Derived): Pick<Before, 'inode' | 'since'> {
  if (operation.kind !== 'netns') return {}
  try {
    const info = withPath(host, netnsFile(operation.params.name), (path) => statSync(path))
    return { inode: info.ino, since: info.ctimeMs }
  } catch {
    return {}
  }
}

/** By what the interface is recognised that an operation changes: it is there, or is made by the same plan. */
export function linkOf({ target }: Derived, plan: readonly Derived[], now: State): Pick<Before, 'link'> {
  if (!target) return {}
  const { ifname, netns } = target
  const link = findLink(now, ifname, netns)
  if (link) return { link: { index: link.index, mac: link.mac } }
  const made = plan.flatMap(({ marks }) => marks).find((one) => one.ifname === ifname && one.netns === netns)
  return made ? { link: { mac: made.mac } } : {}
}
