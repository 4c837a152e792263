import { statSync } from 'node:fs'
import { type Host, netnsFile } from '../kernel/host.ts'
import { withPath } from '../kernel/host-root.ts'
import type { Before } from '../operations/operation.ts'
import type { BoundOperation } from '../operations/registry.ts'
import { findLink, type State } from '../state/state.ts'

/** What identifies the namespace that an operation created: the inode of its file, and when it was created. */
export function fileOf(host: Host, { makesNetns }: BoundOperation): Pick<Before, 'inode' | 'since'> {
  if (makesNetns === undefined) return {}
  try {
    const info = withPath(host, netnsFile(makesNetns), (path) => statSync(path))
    return { inode: info.ino, since: info.ctimeMs }
  } catch {
    return {}
  }
}

/** What identifies the interface that an operation changes, which exists or is created by the same plan. */
export function linkOf({ target }: BoundOperation, plan: readonly BoundOperation[], now: State): Pick<Before, 'link'> {
  if (!target) return {}
  const { ifname, netns } = target
  const link = findLink(now, ifname, netns)
  if (link) return { link: { index: link.index, mac: link.mac } }
  const made = plan.flatMap(({ marks }) => marks).find((one) => one.ifname === ifname && one.netns === netns)
  return made ? { link: { mac: made.mac } } : {}
}
