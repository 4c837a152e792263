import * as z from 'zod'
import { type Address, type Link, type Namespace, type NftObject, type Route, type State } from './state.ts'
import { otherEnd } from './topology.ts'

/**
 * What is worth comparing in a state, as sorted lines such as `red: address eth0 10.22.0.2/16`. It leaves out what changes
 * by itself: indices, MACs, inodes, handles, counters, and IPv6's link-local addresses.
 */
export function describe(state: State): string[] {
  return linesOf(state, nftWhole)
}

/** `nft` describes one object of `nft -j`. */
function linesOf(state: State, nft: NftWords): string[] {
  return [...state]
    .flatMap(([name, namespace]) => [
      `${name}: namespace`,
      ...(namespace
        ? Object.values(namespaceLines).flatMap((lines) => lines(namespace, { state, name, nft }))
        : []
      ).map((line) => `${name}: ${line}`),
    ])
    .toSorted()
}

type NftWords = (object: NftObject) => string

/** A namespace's name, the state that it is part of, and how to describe its rules. */
interface Context {
  state: State
  name: string
  nft: NftWords
}

/** For every member of T what is said of it: a new member does not compile until it is said, or left out on purpose. */
type Every<T, Said> = Readonly<Record<keyof T, Said>>

const namespaceLines: Every<Namespace, (one: Namespace, context: Context) => readonly string[]> = {
  inode: leftOut,
  since: leftOut,
  netnsIds: leftOut, // with the cables
  links: ({ links }, context) => links.flatMap((link) => describeLink(link, context)),
  routes: ({ routes }) => routes.flatMap(describeRoute),
  policyRoutes: ({ policyRoutes }) => policyRoutes.flatMap(describeRoute),
  forwarding: ({ forwarding }) =>
    (['inet', 'inet6'] as const).flatMap((family) =>
      Object.entries(forwarding[family]).map(([name, on]) => `forwarding ${family} ${name} ${on ? 'on' : 'off'}`),
    ),
  rules: ({ rules }, { nft }) => rules.map((object) => `nft ${nft(object)}`),
  sysctls: ({ sysctls }) => Object.entries(sysctls).map(([key, value]) => `sysctl ${key}=${value}`),
  strays: ({ strays = [] }) => strays.map((name) => `no namespace ${name}`),
  folders: ({ folders = [] }) => folders.map((name) => `folder ${name}`),
}

function leftOut(): readonly string[] {
  return []
}

function describeLink(link: Link, context: Context): string[] {
  const { name, addresses, vlans } = link
  return [
    together(linkWords, (words) => words(link, context)),
    ...addresses
      .filter(({ family, scope }) => family === 'inet' || scope !== 'link')
      .map((one) => `address ${name} ${together(addressWords, (words) => words(one))}`),
    ...vlans.map(
      ({ first, last, isUntagged }) =>
        `vlan ${name} ${first}${last === first ? '' : `-${last}`}${isUntagged ? ' untagged' : ''}`,
    ),
  ]
}

function together<Said>(all: Readonly<Record<string, Said>>, say: (said: Said) => string): string {
  return Object.values(all)
    .map(say)
    .filter((words) => words !== '')
    .join(' ')
}

/** In the words of ip-link(8); '' for what need not be said. */
const linkWords: Every<Link, (link: Link, context: Context) => string> = {
  index: () => '',
  mac: () => '',
  name: ({ name }) => `link ${name}`,
  kind: ({ kind }) => kind,
  up: ({ up }) => (up ? 'up' : 'down'),
  mtu: ({ mtu }) => `mtu ${mtu}`,
  promiscuous: ({ promiscuous }) => (promiscuous ? 'promiscuous' : ''),
  allMulticast: ({ allMulticast }) => (allMulticast ? 'allmulticast' : ''),
  queueLength: ({ queueLength }) => (queueLength === 1000 ? '' : `txqueuelen ${queueLength}`),
  master: ({ master }) => (master === undefined ? '' : `master ${master}`),
  port: ({ port }) => [...(port?.hairpin ? ['hairpin'] : []), ...(port?.isolated ? ['isolated'] : [])].join(' '),
  vlanFiltering: ({ vlanFiltering }) => (vlanFiltering ? 'vlan_filtering' : ''),
  vlanId: ({ vlanId }) => (vlanId === undefined ? '' : `id ${vlanId}`),
  macvlanMode: ({ macvlanMode }) => (macvlanMode === undefined ? '' : `mode ${macvlanMode}`),
  ipvlanMode: ({ ipvlanMode }) => (ipvlanMode === undefined ? '' : `mode ${ipvlanMode}`),
  alias: ({ alias }) => (alias === undefined ? '' : `alias ${alias}`),
  peer: attachedTo,
  peerIndex: () => '', // with the peer
  peerNetnsId: () => '',
  addresses: () => '', // on lines of their own
  vlans: () => '',
}

/** Where a cable leads, as `peer red/eth0`, or on which interface another one lies. */
function attachedTo(link: Link, { state, name }: Context): string {
  if (link.kind !== 'veth')
    return link.peer === undefined ? (link.peerIndex === undefined ? '' : 'on elsewhere') : `on ${link.peer}`
  const end = otherEnd(state, { netns: name, link })
  if (!end) return link.peer === undefined ? 'peer elsewhere' : `peer ${link.peer}`
  return end.netns === name ? `peer ${end.link.name}` : `peer ${end.netns}/${end.link.name}`
}

const addressWords: Every<Address, (one: Address) => string> = {
  family: () => '', // the address tells
  address: ({ address, prefix }) => `${address}/${prefix}`,
  prefix: () => '',
  scope: ({ scope }) => (scope === 'global' ? '' : `scope ${scope}`),
  prefixRoute: ({ prefixRoute }) => (prefixRoute ? '' : 'noprefixroute'),
}

function describeRoute(route: Route): string[] {
  return route.dst.startsWith('fe80:') ? [] : [together(routeWords, (words) => words(route))]
}

/** In the words of ip-route(8). */
const routeWords: Every<Route, (route: Route) => string> = {
  dst: ({ dst }) => `route ${dst}`,
  via: ({ via }) => (via === undefined ? '' : `via ${via}`),
  dev: ({ dev = '-' }) => `dev ${dev}`,
  table: ({ table }) => (table === 'main' ? '' : `table ${table}`),
  protocol: ({ protocol }) => (protocol === 'boot' ? '' : `proto ${protocol}`),
  scope: ({ scope }) => (scope === 'global' ? '' : `scope ${scope}`),
  metric: ({ metric }) => (metric === 0 ? '' : `metric ${metric}`),
  mtu: ({ mtu }) => (mtu === undefined ? '' : `mtu ${mtu}`),
  advmss: ({ advmss }) => (advmss === undefined ? '' : `advmss ${advmss}`),
  family: ({ family, dst, via = dst }) => (family === 'inet6' && !via.includes(':') ? 'inet6' : ''),
}

function nftWhole(object: NftObject): string {
  return JSON.stringify(object, (key, value: unknown) => (volatile.has(key) ? undefined : value))
}

const volatile = new Set(['handle', 'packets', 'bytes'])

/**
 * Like `describe`, but for a learner: links, addresses, routes and rules, without the settings that follow from others.
 * Of a rule it shows only the chain that it is in.
 */
export function summarize(state: State): string[] {
  return linesOf(state, nftName).filter((line) => !/: forwarding |accept_redirects/.test(line))
}

const nftSchema = z.looseObject({
  family: z.string(),
  table: z.string().optional(),
  chain: z.string().optional(),
  name: z.string().optional(),
})

/** An object of `nft -j` as its kind, family, table, chain and name, as far as it has them: `rule ip nat postrouting`. */
function nftName(object: NftObject): string {
  const [[kind, value] = ['', undefined]] = Object.entries(object)
  const { family, table, chain, name } = nftSchema.safeParse(value).data ?? {}
  return [kind, family, table, chain, name].filter((word) => word !== undefined).join(' ')
}

/** The lines that only one of two descriptions has: `gone` those of `before`, `added` those of `after`. */
export function diff(before: readonly string[], after: readonly string[]): { gone: string[]; added: string[] } {
  const [old, fresh] = [new Set(before), new Set(after)]
  return { gone: before.filter((line) => !fresh.has(line)), added: after.filter((line) => !old.has(line)) }
}
