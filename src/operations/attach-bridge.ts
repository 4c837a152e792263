import * as z from 'zod'
import { findLink } from '../state/state.ts'
import { interfaceName } from './names.ts'
import { type OperationKind, ip, missingLink, resource } from './operation.ts'

interface Params {
  ifname: string
  bridge: string
}

/** Makes an interface a port of a bridge: bridge(8), ip-link(8) `master`. */
export const attachBridge: OperationKind<'attach-bridge', Params> = {
  kind: 'attach-bridge',
  params: z.strictObject({ ifname: interfaceName, bridge: interfaceName }),
  id: (p) => p.ifname,
  provides: () => [],
  needs: (p) => [resource.link(p.bridge), resource.link(p.ifname)],
  apply: (p) => [ip(undefined, 'link', 'set', 'dev', p.ifname, 'master', p.bridge)],
  undo: (p, before, now) => {
    if (findLink(now, p.ifname)?.master !== p.bridge) return []
    return [
      ip(
        undefined,
        'link',
        'set',
        'dev',
        p.ifname,
        ...(before.master === undefined ? ['nomaster'] : ['master', before.master]),
      ),
    ]
  },
  explain: (p) => ({
    what: `Plug ${p.ifname} into the bridge ${p.bridge}`,
    why: "The host's end of the cable becomes a port of the switch. From now on the bridge forwards the container's frames.",
  }),
  expected: (p) => `${p.ifname} is a port of ${p.bridge}`,
  judge: (p, now) => {
    const link = findLink(now, p.ifname)
    const master = findLink(now, p.bridge)
    if (!master) return missingLink(p.bridge, undefined)
    if (master.kind !== 'bridge') return { status: 'differs', actual: `${p.bridge} is not a bridge` }
    if (!link) return missingLink(p.ifname, undefined)
    if (link.master === p.bridge) return { status: 'present', actual: `${p.ifname} is a port of ${p.bridge}` }
    if (link.master === undefined)
      return { status: 'absent', actual: `${p.ifname} is no port of any bridge`, before: {} }
    return { status: 'differs', actual: `${p.ifname} is a port of ${link.master}` }
  },
}
