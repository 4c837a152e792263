import * as z from 'zod'
import { findLink } from '../state/state.ts'
import { flag } from './scalars.ts'
import { interfaceName, netnsPlace } from './names.ts'
import {
  type Command,
  idIn,
  inNetns,
  ip,
  missingLink,
  missingNetns,
  namedNetns,
  type OperationKind,
  resource,
} from './operation.ts'
import { alteredLink, findSame } from './same-link.ts'
import { isWayOut } from './way-out.ts'

interface Params {
  ifname: string
  bridge: string
  netns?: string | undefined
  /** Frames may leave by the port they came from. */
  hairpin?: boolean | undefined
  /** It reaches only ports that are not isolated. */
  isolated?: boolean | undefined
}

/** Makes an interface a port of a bridge: bridge(8), ip-link(8) `master`. */
export const attachBridge: OperationKind<'attach-bridge', Params> = {
  kind: 'attach-bridge',
  title: 'an interface becomes a port of a bridge',
  step: () => 'attach-bridge',
  get params() {
    return z.strictObject({
      ifname: interfaceName.describe('the interface that becomes a port'),
      bridge: interfaceName.describe('the bridge'),
      netns: netnsPlace.optional().describe('the namespace that both are in; by default the host'),
      hairpin: flag.optional().describe('whether frames may leave by the port they came from'),
      isolated: flag.optional().describe('whether it reaches no other isolated port'),
    })
  },
  id: (p) => idIn(p.netns, p.ifname),
  reads: (p) => ({ namespaces: namedNetns(p.netns) }),
  provides: () => [],
  needs: (p) => [resource.link(p.bridge, p.netns), resource.link(p.ifname, p.netns)],
  apply: (p) => [
    ip(p.netns, 'link', 'set', 'dev', p.ifname, 'master', p.bridge),
    ...setModes(p, { hairpin: false, isolated: false }),
  ],
  target: ({ ifname, netns }) => ({ ifname, netns }),
  undo: (p, before, now) => {
    if (findSame(before, p.ifname, p.netns, now)?.master !== p.bridge) return []
    return [ip(p.netns, 'link', 'set', 'dev', p.ifname, 'nomaster')]
  },
  mend: (p, now) => {
    const link = findLink(now, p.ifname, p.netns)
    if (!link || findLink(now, p.bridge, p.netns)?.kind !== 'bridge' || isWayOut(p.ifname, p.netns, now)) return []
    return link.master === p.bridge && link.port ? setModes(p, link.port) : attachBridge.apply(p)
  },
  altered: (p, before, now) => alteredLink(before, p.ifname, p.netns, now, ({ master }) => master === p.bridge),
  explain: (p) => ({
    what: `Plug ${p.ifname} into the bridge ${p.bridge}${inNetns(p.netns)}`,
    undoing: `Unplug ${p.ifname} from the bridge ${p.bridge}${inNetns(p.netns)}`,
    why: "The host's end of the cable becomes a port of the switch. From now on the bridge forwards the container's frames.",
  }),
  expected: (p) => `${p.ifname}${inNetns(p.netns)} is ${port(p)} of ${p.bridge}`,
  judge: (p, now) => {
    const blocked = missingNetns(p.netns, now)
    if (blocked) return blocked
    const link = findLink(now, p.ifname, p.netns)
    const master = findLink(now, p.bridge, p.netns)
    if (!master) {
      const place = p.netns === undefined ? [] : ['--netns', p.netns]
      return { ...missingLink(p.bridge, p.netns), by: ['bridge', 'create', p.bridge, ...place] }
    }
    if (master.kind !== 'bridge') return { status: 'differs', actual: `${p.bridge} is not a bridge` }
    if (!link) return missingLink(p.ifname, p.netns)
    const place = `${p.ifname}${inNetns(p.netns)}`
    if (link.master === p.bridge && link.port && setModes(p, link.port).length > 0)
      return { status: 'differs', actual: `${place} is ${port(link.port)} of ${p.bridge}` }
    if (link.master === p.bridge) return { status: 'present', actual: `${place} is a port of ${p.bridge}` }
    if (link.master === undefined)
      return { status: 'absent', actual: `${place} is not a port of any bridge`, before: {} }
    return { status: 'differs', actual: `${place} is a port of ${link.master}` }
  },
}

/** `a port`, `an isolated port`, `a hairpin port`. */
function port({ hairpin, isolated }: Pick<Params, 'hairpin' | 'isolated'>): string {
  return `${isolated === true ? 'an isolated' : 'a'}${hairpin === true ? ' hairpin' : ''} port`
}

/** The command that sets those of the requested modes that the port does not have yet. */
function setModes(p: Params, has: { hairpin: boolean; isolated: boolean }): Command[] {
  const modes = (['hairpin', 'isolated'] as const).flatMap((mode) => {
    const wanted = p[mode]
    return wanted === undefined || wanted === has[mode] ? [] : [mode, wanted ? 'on' : 'off']
  })
  return modes.length === 0 ? [] : [ip(p.netns, 'link', 'set', 'dev', p.ifname, 'type', 'bridge_slave', ...modes)]
}
