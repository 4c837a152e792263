import * as z from 'zod'
import { findLink, type Link } from '../state/state.ts'
import { flag, interfaceName } from './names.ts'
import { type OperationKind, ip, missingLink, resource } from './operation.ts'
import { alteredLink, findSame } from './same-link.ts'

interface Params {
  ifname: string
  bridge: string
  /** Frames may leave by the port they came from. */
  hairpin?: boolean | undefined
  /** It reaches ports that are not isolated alone. */
  isolated?: boolean | undefined
}

/** Makes an interface a port of a bridge: bridge(8), ip-link(8) `master`. */
export const attachBridge: OperationKind<'attach-bridge', Params> = {
  kind: 'attach-bridge',
  step: () => 'attach-bridge',
  get params() {
    return z.strictObject({
      ifname: interfaceName,
      bridge: interfaceName,
      hairpin: flag.optional(),
      isolated: flag.optional(),
    })
  },
  id: (p) => p.ifname,
  reads: () => ({ namespaces: [] }),
  provides: () => [],
  needs: (p) => [resource.link(p.bridge), resource.link(p.ifname)],
  apply: (p) => [
    ip(undefined, 'link', 'set', 'dev', p.ifname, 'master', p.bridge),
    ...(p.hairpin === true || p.isolated === true
      ? [
          ip(
            undefined,
            'link',
            'set',
            'dev',
            p.ifname,
            'type',
            'bridge_slave',
            ...(p.hairpin === true ? ['hairpin', 'on'] : []),
            ...(p.isolated === true ? ['isolated', 'on'] : []),
          ),
        ]
      : []),
  ],
  target: ({ ifname }) => ({ ifname }),
  undo: (p, before, now) => {
    if (findSame(before, p.ifname, undefined, now)?.master !== p.bridge) return []
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
  altered: (p, before, now) => alteredLink(before, p.ifname, undefined, now, ({ master }) => master === p.bridge),
  explain: (p) => ({
    what: `Plug ${p.ifname} into the bridge ${p.bridge}`,
    why: "The host's end of the cable becomes a port of the switch. From now on the bridge forwards the container's frames.",
  }),
  expected: (p) => `${p.ifname} is ${port(p)} of ${p.bridge}`,
  judge: (p, now) => {
    const link = findLink(now, p.ifname)
    const master = findLink(now, p.bridge)
    if (!master) return { ...missingLink(p.bridge, undefined), by: ['bridge', 'create', p.bridge] }
    if (master.kind !== 'bridge') return { status: 'differs', actual: `${p.bridge} is not a bridge` }
    if (!link) return missingLink(p.ifname, undefined)
    if (link.master === p.bridge && !hasModes(p, link))
      return {
        status: 'differs',
        actual: `${p.ifname} is ${port({ hairpin: link.port?.hairpin, isolated: link.port?.isolated })} of ${p.bridge}`,
      }
    if (link.master === p.bridge) return { status: 'present', actual: `${p.ifname} is a port of ${p.bridge}` }
    if (link.master === undefined)
      return { status: 'absent', actual: `${p.ifname} is no port of any bridge`, before: {} }
    return { status: 'differs', actual: `${p.ifname} is a port of ${link.master}` }
  },
}

/** `a port`, `an isolated port`, `a hairpin port`. */
function port({ hairpin, isolated }: Pick<Params, 'hairpin' | 'isolated'>): string {
  return `${isolated === true ? 'an isolated' : 'a'}${hairpin === true ? ' hairpin' : ''} port`
}

function hasModes(p: Params, link: Link): boolean {
  return (p.hairpin !== true || link.port?.hairpin === true) && (p.isolated !== true || link.port?.isolated === true)
}
