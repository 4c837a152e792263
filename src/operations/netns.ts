import * as z from 'zod'
import { netnsName } from './names.ts'
import { type OperationKind, ip, MARK_ALIAS, resource } from './operation.ts'

interface Params {
  name: string
}

/** A named network namespace: ip-netns(8). */
export const netns: OperationKind<'netns', Params> = {
  kind: 'netns',
  params: z.strictObject({ name: netnsName }),
  id: (p) => p.name,
  provides: (p) => [resource.netns(p.name), resource.link('lo', p.name)],
  needs: () => [],
  apply: (p) => [ip(undefined, 'netns', 'add', p.name)],
  undo: (p, before, now) => {
    const namespace = now.get(p.name)
    if (!now.has(p.name)) return []
    const replaced = before.inode !== undefined && namespace !== undefined && namespace.inode !== before.inode
    return replaced ? [] : [ip(undefined, 'netns', 'delete', p.name)]
  },
  users: (p, now) =>
    (now.get(p.name)?.links ?? [])
      .filter((link) => link.name !== 'lo' && link.kind !== '' && link.alias !== MARK_ALIAS)
      .map((link) => link.name),
  explain: (p) => ({
    what: `Create the network namespace ${p.name}`,
    why: 'A network namespace is a private network stack: its own interfaces, addresses, routes and rules. A container is little more than processes that live in one.',
  }),
  expected: (p) => `namespace ${p.name} is there`,
  judge: (p, now) =>
    now.has(p.name)
      ? { status: 'present', actual: `namespace ${p.name} is there` }
      : { status: 'absent', actual: `there is no namespace ${p.name}`, before: {} },
}
