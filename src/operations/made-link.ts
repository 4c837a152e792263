import type * as z from 'zod'
import { findLink, HOST, type Link, type State } from '../state/state.ts'
import { type markSchema, type MarkedLink, randomMac } from './operation.ts'
import { isOurs } from './same-link.ts'

/** What the kinds have in common that make one interface, with a mark on the machine. */
export interface LinkParams {
  name: string
  netns?: string | undefined
  mark?: z.infer<typeof markSchema> | undefined
}

/** The same parameters with a mark, a random MAC address unless there is one. */
export function withMac<P extends LinkParams>(p: P): P {
  return { ...p, mark: p.mark ?? { mac: randomMac() } }
}

/** The interface that is recognised by its mark. */
export function marksOf({ name, netns, mark }: LinkParams): MarkedLink[] {
  return mark ? [{ ifname: name, netns, mac: mark.mac }] : []
}

/** The interface of this kind, as ip-link(8) calls it, if it is the one that was made: without a mark, the name tells. */
export function findMade({ name, netns, mark }: LinkParams, kind: string, now: State): Link | undefined {
  const link = findLink(now, name, netns)
  return link?.kind === kind && (!mark || link.mac === mark.mac) ? link : undefined
}

/** How the interface is there that bears our mark and was changed since, in words; undefined if it is as it was made, or gone. */
export function alteredMade({ name, netns, mark }: LinkParams, kind: string, now: State): string | undefined {
  if (!mark) return undefined
  const all = (now.get(netns ?? HOST)?.links ?? []).filter((link) => link.kind === kind)
  const named = all.find((link) => link.name === name)
  if (named?.mac === mark.mac) return undefined
  if (named && isOurs(named)) return `${name} has another MAC address now`
  const renamed = all.find(({ mac }) => mac === mark.mac)
  return renamed && `${name} is called ${renamed.name} now`
}
