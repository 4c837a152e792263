import { contains, isIpv6 } from '../ip-arithmetic.ts'
import type { Command } from '../operations/operation.ts'
import { isOurs } from '../operations/same-link.ts'
import { findLink, HOST, isUplink, type Route, type State } from '../state/state.ts'
import { otherEnd } from '../state/topology.ts'

/** A terminal that is connected through ssh(1): the addresses of the client and of this machine. */
export interface Terminal {
  client: string
  server: string
}

/** What a host must not lose unless forced: it is reached, or reaches others, through this. */
export interface Lifeline {
  /** A description, in words. */
  what: string
  /** Its interface, and all interfaces below that: the parent of a VLAN, the ports of a bridge. */
  dev: string
  below: ReadonlySet<string>
  route?: Route
  /** The address that must be directly reachable through the interface. */
  neighbour?: string
  terminal?: Terminal
}

/** The lifeline of a sandbox: its uplink. Everything else in it may be changed. */
export function uplinkOf(now: State): Lifeline[] {
  // Of several that look like it, none is lost.
  const uplinks = now.get(HOST)?.links.filter(isUplink) ?? []
  return uplinks.map(({ name }) => ({ what: "the sandbox's uplink", dev: name, below: new Set() }))
}

/**
 * The lifelines of a machine: its default routes, and the routes to the terminals. A default route that `undoing` deletes
 * is ours, and not the machine's.
 */
export function lifelinesOf(now: State, terminals: readonly Terminal[], undoing: readonly Command[] = []): Lifeline[] {
  const host = now.get(HOST)
  const routes = [...(host?.routes ?? []), ...(host?.policyRoutes ?? [])]
  const defaults = routes
    .filter((route) => route.dst === 'default' && !undoing.some((command) => isDeletionOf(command, route)))
    .flatMap((route) => lifeline('the default route', route, route.via, now))
  const ways = terminals.flatMap((terminal) => {
    const { client } = terminal
    const route = (host?.routes ?? []).filter((one) => covers(one, client)).toSorted(byPreference)[0]
    return lifeline(`the way to your terminal at ${client}`, route, route?.via ?? client, now).map((one) => ({
      ...one,
      terminal,
    }))
  })
  return [...defaults, ...ways]
}

function lifeline(what: string, route: Route | undefined, neighbour: string | undefined, now: State): Lifeline[] {
  if (route?.dev === undefined) return []
  return [
    { what, dev: route.dev, below: below(route.dev, now), route, ...(neighbour === undefined ? {} : { neighbour }) },
  ]
}

/** The interfaces below this one. Ports that cnilab plugged in do not count: they lead to containers. */
function below(ifname: string, now: State): Set<string> {
  const links = now.get(HOST)?.links ?? []
  const found = new Set<string>()
  const visit = (name: string) => {
    const link = links.find((one) => one.name === name)
    const lower = link?.peer !== undefined && link.kind !== 'veth' ? [link.peer] : []
    const ports = links.filter((port) => port.master === name && !isOurs(port)).map((port) => port.name)
    for (const one of [...lower, ...ports]) {
      if (found.has(one)) continue
      found.add(one)
      visit(one)
    }
  }
  visit(ifname)
  return found
}

/** What a command would cut off, as part of a sentence; undefined if it leaves all lifelines intact. */
export function cutBy(command: Command, lifelines: readonly Lifeline[], now: State): string | undefined {
  const cut = lifelines.find((one) => isCut(one, command, now))
  return cut && `${cut.dev} ${cut.what.startsWith("the sandbox's") ? 'is' : 'carries'} ${cut.what}`
}

function isCut(one: Lifeline, command: Command, now: State): boolean {
  const { tool, argv, netns } = command
  const [object, verb] = argv
  if (tool === 'sysctl') return netns === undefined && argv.some((assignment) => isCutBySetting(one, assignment))
  if (tool === 'bridge') return netns === undefined && isCutByVlans(one, argv)
  if (tool !== 'ip') return false
  if (object === 'netns') return verb === 'delete' && endsIn(one, argv[2] ?? '', now)
  if (object === 'link' && verb === 'delete') return isCutWith(one, after(argv, 'dev'), netns, now)
  if (netns !== undefined) return false
  if (object === 'link') return verb === 'add' ? isTakenOver(one, argv) : isCutBySetup(one, argv, now)
  if (object === 'address') return isCutByAddress(one, argv, now)
  return object === 'route' && isCutByRoute(one, command)
}

const isOn = ({ dev, below: lower }: Lifeline, ifname: string) => ifname === dev || lower.has(ifname)

/** Deleting either end of a veth deletes both. */
function isCutWith(one: Lifeline, ifname: string, netns: string = HOST, now: State): boolean {
  if (netns === HOST && isOn(one, ifname)) return true
  const link = findLink(now, ifname, netns)
  const far = link?.kind === 'veth' ? otherEnd(now, { netns, link }) : undefined
  return far?.netns === HOST && isOn(one, far.link.name)
}

/** Whether it depends on a veth whose other end is in this namespace, and is deleted along with it. */
function endsIn(one: Lifeline, netns: string, now: State): boolean {
  return [one.dev, ...one.below].some((ifname) => {
    const link = findLink(now, ifname)
    return link?.kind === 'veth' && otherEnd(now, { netns: HOST, link })?.netns === netns
  })
}

/** A passthru macvlan takes over everything that its parent receives. */
function isTakenOver(one: Lifeline, argv: readonly string[]): boolean {
  return argv[argv.lastIndexOf('mode') + 1] === 'passthru' && isOn(one, after(argv, 'link'))
}

/** For `ip link set`. A bridge port's own addresses are no longer reachable, and a port that leaves a bridge takes its cable along. */
function isCutBySetup(one: Lifeline, argv: readonly string[], now: State): boolean {
  const ifname = after(argv, 'dev')
  const does = (...words: string[]) => argv.slice(4).some((word) => words.includes(word))
  if (does('down', 'netns') && isOn(one, ifname)) return true
  if (ifname === one.dev) return does('master', 'name', 'address')
  const link = one.below.has(ifname) ? findLink(now, ifname) : undefined
  return link?.master !== undefined && does('master', 'nomaster')
}

function isCutByVlans(one: Lifeline, argv: readonly string[]): boolean {
  return one.below.has(after(argv, 'dev')) && (argv.includes('del') || argv.includes('pvid'))
}

/** A new address may be the client's own, or bring a more specific route to it; deleting one may leave no route. */
function isCutByAddress(one: Lifeline, argv: readonly string[], now: State): boolean {
  const [, verb, cidr = ''] = argv
  const ifname = after(argv, 'dev')
  const [address = '', prefix = ''] = cidr.split('/')
  if (verb === 'add') {
    const client = one.terminal?.client
    if (client === undefined || !contains(cidr, client)) return false
    return address === client || (ifname !== one.dev && Number(prefix) > lengthOf(one.route))
  }
  if (verb !== 'delete') return false
  if (address === one.terminal?.server) return true
  if (ifname !== one.dev || one.route === undefined || isIpv6(address) !== (one.route.family === 'inet6')) return false
  const others = (findLink(now, ifname)?.addresses ?? [])
    .filter(({ family, address: other }) => family === one.route?.family && other !== address)
    .map((other) => `${other.address}/${other.prefix}`)
  const { neighbour } = one
  if (neighbour === undefined) return others.length === 0
  return contains(cidr, neighbour) && !others.some((other) => contains(other, neighbour))
}

/** Deleting its route cuts it, and so does a better route to somewhere else. */
function isCutByRoute(one: Lifeline, command: Command): boolean {
  const { argv } = command
  const { route, terminal } = one
  if (!route) return false
  if (argv[1] === 'delete') return isDeletionOf(command, route)
  const added = routeOf(argv)
  if (added.via === route.via && (added.dev === undefined || added.dev === route.dev)) return false
  if (isSameDestination(argv, route)) return argv[1] !== 'add' || added.metric < route.metric
  return terminal !== undefined && covers(added, terminal.client) && lengthOf(added) > lengthOf(route)
}

/** Some settings turn IPv6 off, or drop the routes that a router advertised. */
function isCutBySetting({ dev, route }: Lifeline, assignment: string): boolean {
  if (route?.family !== 'inet6') return false
  const [, name = '', setting] = /^net\.ipv6\.conf\.([^.]+)\.(\w+=\d+)$/.exec(assignment) ?? []
  if (!['all', dev.replaceAll('.', '/')].includes(name)) return false
  return setting === 'disable_ipv6=1' || (setting === 'accept_ra=0' && route.protocol === 'ra')
}

function isDeletionOf({ tool, argv, netns }: Command, route: Route): boolean {
  if (tool !== 'ip' || netns !== undefined || argv[0] !== 'route' || argv[1] !== 'delete') return false
  const { via, dev } = routeOf(argv)
  const [metric, protocol] = [after(argv, 'metric'), after(argv, 'proto')]
  return (
    isSameDestination(argv, route) &&
    (via === undefined || via === route.via) &&
    (dev === undefined || dev === route.dev) &&
    (metric === '' || Number(metric) === route.metric) &&
    (protocol === '' || protocol === route.protocol)
  )
}

function isSameDestination(argv: readonly string[], route: Route): boolean {
  const { family, dst } = routeOf(argv)
  const table = after(argv, 'table')
  return (
    dst === bareOf(route.dst) &&
    (dst !== 'default' || after(argv, 'via') === '' || family === route.family) &&
    (table === '' || table === route.table)
  )
}

/** The route in the arguments of `ip route add`, `replace` and so on. */
function routeOf(argv: readonly string[]): Pick<Route, 'family' | 'dst' | 'via' | 'dev' | 'metric'> {
  const dst = argv[2] ?? ''
  const optional = (word: string) => (argv.includes(word) ? after(argv, word) : undefined)
  const via = optional('via')
  const isSix = isIpv6(dst === 'default' ? (via ?? '') : dst)
  const metric = Number(optional('metric') ?? (isSix ? '1024' : '0'))
  return { family: isSix ? 'inet6' : 'inet', dst: bareOf(dst), via, dev: optional('dev'), metric }
}

/** The destination as the kernel prints it: 0.0.0.0/0 as `default`, and a host route without its prefix length. */
function bareOf(dst: string): string {
  return /^(0\.0\.0\.0|::)\/0$/.test(dst) ? 'default' : dst.replace(dst.includes(':') ? /\/128$/ : /\/32$/, '')
}

function covers({ family, dst }: Pick<Route, 'family' | 'dst'>, address: string): boolean {
  if ((family === 'inet6') !== isIpv6(address)) return false
  if (dst === 'default') return true
  return contains(dst.includes('/') ? dst : `${dst}/${isIpv6(dst) ? 128 : 32}`, address)
}

/** The prefix length of a route's destination, in bits. */
function lengthOf(route: Pick<Route, 'dst'> | undefined): number {
  if (route === undefined || route.dst === 'default') return 0
  return Number(route.dst.split('/')[1] ?? (isIpv6(route.dst) ? 128 : 32))
}

function byPreference(a: Route, b: Route): number {
  return lengthOf(b) - lengthOf(a) || a.metric - b.metric
}

/** The word that follows `word` in an argv; '' if there is none. */
function after(argv: readonly string[], word: string): string {
  const at = argv.indexOf(word, 1)
  return at === -1 ? '' : (argv[at + 1] ?? '')
}
