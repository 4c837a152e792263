import { findLink, type Link, type State } from '../state/state.ts'
import { findUnnamed, liesOn, makeAnew, type ParentParams, setMtu, wrongOf } from './made-link.ts'
import { type Command, inNetns, missingLink, missingNetns, type Verdict } from './operation.ts'

/** How an interface is recognised that shares its parent's cable in one of several modes. */
export interface OnParent {
  /** Its type in ip-link(8), and that with its article. */
  kind: string
  noun: string
  /** The namespace of its parent; undefined for the host. */
  parentNetns: string | undefined
  mode: string
  modeOf: (link: Link) => string | undefined
}

/** Parameters of such an interface. */
type Params = ParentParams & { mtu?: number | undefined }

/** How the kernel stands to such an interface. */
export function judgeOnParent(p: Params, { kind, noun, parentNetns, mode, modeOf }: OnParent, now: State): Verdict {
  const blocked = missingNetns(p.netns, now)
  if (blocked) return blocked
  const place = `${p.name}${inNetns(p.netns)}`
  const unnamed = findUnnamed(p, now)
  if (unnamed) return { status: 'differs', actual: `${place} is still called ${unnamed.name}` }
  const link = findLink(now, p.name, p.netns)
  if (!link)
    return findLink(now, p.parent, parentNetns)
      ? { status: 'absent', actual: `there is no interface ${place}`, before: {} }
      : missingLink(p.parent, parentNetns)
  if (link.kind !== kind) return { status: 'differs', actual: `${place} is something else` }
  const isOnIt = liesOn(link, p, parentNetns, now)
  const actual = `${place} is ${noun} interface on ${isOnIt ? p.parent : 'another one'}, mode ${modeOf(link)}`
  if (!isOnIt || modeOf(link) !== mode) return { status: 'differs', actual }
  return wrongOf(link, p, actual) ?? { status: 'present', actual }
}

/** The commands that put such an interface right: `make` makes it. */
export function mendOnParent(
  p: Params,
  { kind, parentNetns, mode, modeOf }: OnParent,
  make: readonly Command[],
  now: State,
): Command[] {
  const link = findLink(now, p.name, p.netns)
  return link?.kind === kind && liesOn(link, p, parentNetns, now) && modeOf(link) === mode
    ? setMtu(link, p.mtu, p.netns)
    : makeAnew(p, make, now)
}
