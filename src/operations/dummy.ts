import * as z from 'zod'
import { findLink } from '../state/state.ts'
import { type LinkParams, makeAnew, setMtu, addLink, madeLink, wrongOf } from './made-link.ts'
import { interfaceName, netnsPlace } from './names.ts'
import { mtuSize } from './scalars.ts'
import { inNetns, missingNetns, namedNetns, type OperationKind, placeId, resource } from './operation.ts'
import { markSchema } from './schemas.ts'
import { interfacesOn } from './way-out.ts'

interface Params extends LinkParams {
  mtu?: number | undefined
}

/** An interface that drops whatever is sent out of it: ip-link(8), type dummy. Needs a kernel with CONFIG_DUMMY. */
export const dummy: OperationKind<'dummy', Params> = {
  kind: 'dummy',
  title: 'an interface without a cable, which drops whatever is sent out of it',
  step: () => 'veth',
  get params() {
    return z.strictObject({
      name: interfaceName.describe('name of the interface'),
      netns: netnsPlace.optional().describe('the namespace to create it in; by default the host'),
      mtu: mtuSize.optional().describe('the largest packet that it takes, in bytes (its MTU)'),
      mark: markSchema.optional(),
    })
  },
  id: (p) => placeId(p.netns, p.name),
  ...madeLink('dummy'),
  reads: (p) => ({ namespaces: namedNetns(p.netns) }),
  modules: 'dummy',
  needs: (p) => namedNetns(p.netns).map(resource.netns),
  apply: (p) => addLink(p, { type: ['dummy'], mtu: p.mtu }),
  mend: (p, now) => {
    const link = findLink(now, p.name, p.netns)
    return link?.kind === 'dummy' ? setMtu(link, p.mtu, p.netns) : makeAnew(p, dummy.apply(p), now)
  },
  users: (p, now) => (p.mark ? interfacesOn(p.name, p.netns, now) : []),
  explain: (p) => ({
    undoing: `Delete the dummy interface ${p.name}${inNetns(p.netns)}`,
    what: `Create the dummy interface ${p.name}${inNetns(p.netns)}`,
    why: 'A dummy interface has no cable: it drops whatever is sent out. An address on it stays up whatever happens to the cables, and other interfaces can be built on top of it.',
  }),
  expected: (p) => `${p.name}${inNetns(p.netns)} is a dummy interface`,
  judge: (p, now) => {
    const blocked = missingNetns(p.netns, now)
    if (blocked) return blocked
    const place = `${p.name}${inNetns(p.netns)}`
    const link = findLink(now, p.name, p.netns)
    if (!link) return { status: 'absent', actual: `there is no interface ${place}`, before: {} }
    if (link.kind !== 'dummy') return { status: 'differs', actual: `${place} is something else` }
    const actual = `${place} is a dummy interface`
    return wrongOf(link, p, actual) ?? { status: 'present', actual }
  },
}
