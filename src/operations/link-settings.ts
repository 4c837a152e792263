import * as z from 'zod'
import { findLink, type Link, type State } from '../state/state.ts'
import { macAddress } from './mac.ts'
import { interfaceName, netnsPlace } from './names.ts'
import {
  type Before,
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
import { flag, mtuSize, wholeNumber } from './scalars.ts'

/** What an interface is like, as far as it can be set. */
export type LinkSettings = NonNullable<Before['settings']>

interface Params extends Partial<{ [K in keyof LinkSettings]: LinkSettings[K] | undefined }> {
  ifname: string
  netns?: string | undefined
}

/** How ip-link(8) sets each of them, and how it is said. */
const SETTINGS: { readonly [K in keyof LinkSettings]: Setting<LinkSettings[K]> } = {
  mac: { word: 'address', value: (mac) => mac, say: (mac) => `the MAC address ${mac}` },
  mtu: { word: 'mtu', value: String, say: (mtu) => `the MTU ${mtu}` },
  promiscuous: { word: 'promisc', value: onOrOff, say: (on) => `promiscuous mode ${onOrOff(on)}` },
  allMulticast: { word: 'allmulticast', value: onOrOff, say: (on) => `all multicast ${onOrOff(on)}` },
  queueLength: { word: 'txqueuelen', value: String, say: (length) => `a queue of ${length} packets` },
}

interface Setting<T> {
  word: string
  value: (value: T) => string
  say: (value: T) => string
}

function onOrOff(on: boolean): string {
  return on ? 'on' : 'off'
}

const KEYS = ['mac', 'mtu', 'promiscuous', 'allMulticast', 'queueLength'] as const

/** What an interface that is there is like. */
export function settingsOfLink({ mac, mtu, promiscuous, allMulticast, queueLength }: Link): LinkSettings {
  return { mac, mtu, promiscuous, allMulticast, queueLength }
}

/** A setting as words of ip-link(8), and in words. */
function told<K extends keyof LinkSettings>(key: K, value: LinkSettings[K]): { argv: string[]; words: string } {
  const { word, value: write, say } = SETTINGS[key]
  return { argv: [word, write(value)], words: say(value) }
}

function tell(settings: Partial<Params>, keys: readonly (keyof LinkSettings)[] = KEYS) {
  return keys.flatMap((key) => {
    const { [key]: value } = settings
    return value === undefined ? [] : [told(key, value)]
  })
}

/** Which of the settings an interface has otherwise. */
function differing(p: Params, link: Link): (keyof LinkSettings)[] {
  return KEYS.filter((key) => p[key] !== undefined && p[key] !== link[key])
}

function set({ ifname, netns }: Params, settings: Partial<Params>, keys?: readonly (keyof LinkSettings)[]): Command[] {
  const words = tell(settings, keys).flatMap(({ argv }) => argv)
  return words.length === 0 ? [] : [ip(netns, 'link', 'set', 'dev', ifname, ...words)]
}

/** The interface that it changed, if it is certainly the same one: its MAC address may be the one that was set. */
function findSet({ link: known }: Before, p: Params, now: State): Link | undefined {
  const link = findLink(now, p.ifname, p.netns)
  if (!known || !link) return link
  const isSame = known.index === undefined || known.index === link.index
  return isSame && [known.mac, p.mac].includes(link.mac) ? link : undefined
}

const inWords = (p: Params) =>
  tell(p)
    .map(({ words }) => words)
    .join(', ')

/** The MAC address, MTU, modes and queue of an interface that is there: ip-link(8). */
export const linkSettings: OperationKind<'link-settings', Params> = {
  kind: 'link-settings',
  title: 'an interface gets another MAC address, MTU, mode or queue',
  step: () => 'up',
  get params() {
    return z
      .strictObject({
        ifname: interfaceName.describe('the interface'),
        netns: netnsPlace.optional().describe('the namespace that it is in; by default the host'),
        mac: macAddress.optional().describe('its MAC address'),
        mtu: mtuSize.optional().describe('the largest packet that it takes, in bytes (its MTU)'),
        promiscuous: flag.optional().describe('whether it accepts every frame, not only its own'),
        allMulticast: flag.optional().describe('whether it accepts every multicast frame'),
        queueLength: wholeNumber.optional().describe('how many packets may wait to be sent'),
      })
      .refine((p) => tell(p).length > 0, { error: 'name at least one setting, for example: mtu: 1400' })
  },
  id: (p) => idIn(p.netns, p.ifname),
  reads: (p) => ({ namespaces: namedNetns(p.netns) }),
  provides: () => [],
  needs: (p) => [resource.link(p.ifname, p.netns)],
  apply: (p) => set(p, p),
  target: ({ ifname, netns }) => ({ ifname, netns }),
  // What somebody has changed since is theirs now.
  undo: (p, before, now) => {
    const link = findSet(before, p, now)
    const { settings } = before
    if (!link || !settings) return []
    const own = KEYS.filter((key) => p[key] !== undefined && link[key] === p[key] && settings[key] !== p[key])
    return set(p, settings, own)
  },
  mend: (p) => linkSettings.apply(p),
  explain: (p) => ({
    what: `Give ${p.ifname}${inNetns(p.netns)} ${inWords(p)}`,
    undoing: `Give ${p.ifname}${inNetns(p.netns)} its former settings`,
    why: 'An interface is made with usual settings. Some networks need others: a smaller MTU inside a tunnel, or a MAC address that a switch knows.',
  }),
  expected: (p) => `${p.ifname}${inNetns(p.netns)} has ${inWords(p)}`,
  judge: (p, now) => {
    const blocked = missingNetns(p.netns, now)
    if (blocked) return blocked
    const link = findLink(now, p.ifname, p.netns)
    if (!link) return missingLink(p.ifname, p.netns)
    const other = differing(p, link)
    const has = (keys?: readonly (keyof LinkSettings)[]) =>
      `${p.ifname}${inNetns(p.netns)} has ${tell(link, keys)
        .map(({ words }) => words)
        .join(', ')}`
    return other.length === 0
      ? { status: 'present', actual: has(KEYS.filter((key) => p[key] !== undefined)) }
      : { status: 'absent', actual: has(other), before: { settings: settingsOfLink(link) } }
  },
}
