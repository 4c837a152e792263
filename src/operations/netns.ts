import * as z from 'zod'
import { netnsName } from './names.ts'
import { HOST, type Namespace, type State } from '../state/state.ts'
import { type Before, type OperationKind, ip, MARK_ALIAS, resource } from './operation.ts'

interface Params {
  name: string
}

/** A named network namespace: ip-netns(8). */
export const netns: OperationKind<'netns', Params> = {
  kind: 'netns',
  title: 'a network namespace',
  step: () => 'netns',
  get params() {
    return z.strictObject({ name: netnsName.describe('name of the namespace') })
  },
  id: (p) => p.name,
  reads: (p) => ({ namespaces: [p.name] }),
  makesNetns: (p) => p.name,
  provides: (p) => [resource.netns(p.name), resource.link('lo', p.name)],
  needs: () => [],
  apply: (p) => [ip(undefined, 'netns', 'add', p.name)],
  undo: (p, before, now) => {
    const namespace = now.get(p.name)
    if (!now.has(p.name) && !isStray(p, now)) return []
    return namespace && isAnother(namespace, before) ? [] : [ip(undefined, 'netns', 'delete', p.name)]
  },
  mend: (p, now) => (isFolder(p, now) ? [] : [ip(undefined, 'netns', 'delete', p.name), ...netns.apply(p)]),
  users: (p, now) =>
    (now.get(p.name)?.links ?? [])
      .filter(({ name, alias }) => !KERNELS_OWN.includes(name) && alias !== MARK_ALIAS)
      .map((link) => link.name),
  explain: (p) => ({
    what: `Create the network namespace ${p.name}`,
    undoing: `Delete the network namespace ${p.name}`,
    why: 'A network namespace is a private network stack: its own interfaces, addresses, routes and rules. A container is little more than processes that live in one.',
  }),
  expected: (p) => `namespace ${p.name} exists`,
  judge: (p, now) => {
    if (isStray(p, now))
      return {
        status: 'differs',
        actual: `the ${isFolder(p, now) ? 'folder' : 'file'} /run/netns/${p.name} is not a namespace`,
        remedy: `rm -d /run/netns/${p.name}`,
      }
    return now.has(p.name)
      ? { status: 'present', actual: `namespace ${p.name} exists` }
      : { status: 'absent', actual: `there is no namespace ${p.name}`, before: {} }
  },
}

/** Whether a file has the namespace's name but is not a namespace: ip(8) takes it for one. */
function isStray({ name }: Params, now: State): boolean {
  return now.get(HOST)?.strays?.includes(name) === true
}

/** Whether it is a folder, which ip(8) cannot remove. */
function isFolder({ name }: Params, now: State): boolean {
  return now.get(HOST)?.folders?.includes(name) === true
}

/** The interfaces that a new namespace has: the loopback, and the tunnels of the modules that the kernel has loaded. */
const KERNELS_OWN: readonly string[] = [
  'lo',
  'tunl0',
  'gre0',
  'gretap0',
  'erspan0',
  'ip_vti0',
  'sit0',
  'ip6tnl0',
  'ip6gre0',
  'ip6_vti0',
]

/** How long after the intent a namespace without a recorded inode may have been created by it, in milliseconds. */
const SOON = 10_000

/**
 * Whether the namespace of this name is not the one that we created: it has another inode, or the same from another time,
 * as the kernel reuses them. If we were killed before we could record those, it was created at another time.
 */
function isAnother({ inode, since }: Namespace, before: Before): boolean {
  if (before.inode !== undefined)
    return inode !== before.inode || (before.since !== undefined && since !== before.since)
  return before.intended !== undefined && Math.abs(since - before.intended) > SOON
}
