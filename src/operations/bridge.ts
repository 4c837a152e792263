import * as z from 'zod'
import { findLink, portsOf } from '../state/state.ts'
import { interfaceName } from './names.ts'
import { type OperationKind, ip, MARK_ALIAS, markSchema, resource } from './operation.ts'

interface Params {
  name: string
  mark?: z.infer<typeof markSchema> | undefined
}

/** A bridge, the kernel's virtual switch: ip-link(8), type bridge. */
export const bridge: OperationKind<'bridge', Params> = {
  kind: 'bridge',
  shared: true,
  params: z.strictObject({ name: interfaceName, mark: markSchema.optional() }),
  id: (p) => p.name,
  provides: (p) => [resource.link(p.name)],
  needs: () => [],
  apply: ({ name, mark }) =>
    mark
      ? [
          ip(undefined, 'link', 'add', 'name', name, 'address', mark.mac, 'type', 'bridge'),
          ip(undefined, 'link', 'set', 'dev', name, 'alias', MARK_ALIAS),
        ]
      : [ip(undefined, 'link', 'add', 'name', name, 'type', 'bridge')],
  undo: (p, _before, now) => {
    const link = findLink(now, p.name)
    return link?.kind === 'bridge' && (!p.mark || link.mac === p.mark.mac)
      ? [ip(undefined, 'link', 'delete', 'dev', p.name)]
      : []
  },
  users: (p, now) => portsOf(now, p.name),
  explain: (p) => ({
    what: `Create the bridge ${p.name}`,
    why: 'A bridge is a virtual switch. Every container on it can reach the others, and it can carry the address that they use as their gateway.',
  }),
  expected: (p) => `${p.name} is a bridge`,
  judge: (p, now) => {
    const link = findLink(now, p.name)
    if (!link) return { status: 'absent', actual: `there is no interface ${p.name}`, before: {} }
    if (link.kind === 'bridge') return { status: 'present', actual: `${p.name} is a bridge` }
    return {
      status: 'differs',
      actual: `${p.name} is ${link.kind === '' ? 'no bridge' : `a ${link.kind}, not a bridge`}`,
    }
  },
}
