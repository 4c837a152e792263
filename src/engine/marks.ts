import { createHash } from 'node:crypto'
import { statSync } from 'node:fs'
import { bootId, readJournal } from '../journal/journal.ts'
import { type Host, netnsFile } from '../kernel/host.ts'
import { withPath } from '../kernel/host-root.ts'
import type { Before } from '../operations/operation.ts'
import { bindOperation, type BoundOperation, type Operation, withMark } from '../operations/registry.ts'
import { findLink, type State } from '../state/state.ts'

/**
 * The operations of a plan with what identifies on the machine what they create; in a sandbox as they are. A mark derives from
 * the operation, from this start of the machine, and from how often the journal has the operation already: so a dry run
 * shows the very commands that are run then, and what is made again after somebody renamed the first has another mark.
 */
export function marked(host: Host, plan: readonly Operation[]): readonly Operation[] {
  if (host.kind === 'sandbox') return plan
  const times = new Map<string, number>()
  const count = (operation: Operation): number => {
    const { id } = bindOperation(operation)
    const before = times.get(id) ?? 0
    times.set(id, before + 1)
    return before
  }
  for (const { operation, status } of readJournal(host)) if (status !== 'adopted') count(operation)
  const boot = bootId()
  return plan.map((operation) => {
    const parts = [boot, JSON.stringify(operation), String(count(operation))]
    return withMark(operation, (part) =>
      createHash('sha256')
        .update([...parts, part].join('\0'))
        .digest('hex'),
    )
  })
}

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
