import { contains, subnetOf } from '../ip-arithmetic.ts'
import { type Command, HOST_PID } from '../operations/operation.ts'
import { withoutTable } from '../operations/nft-tables.ts'
import { asWords } from '../operations/route.ts'
import { interfacesOn } from '../operations/way-out.ts'
import { type Address, findLink, HOST, type Link, type Namespace, type Route, type State } from '../state/state.ts'
import { otherEnd } from '../state/topology.ts'

/** What becomes of a host of which nothing is known but that it has just been made. */
export function foreseeFresh(commands: readonly Command[]): State {
  return foresee(new Map([[HOST, EMPTY]]), commands)
}

/**
 * What becomes of a state by commands that mend it, as far as it matters to operations that they are not about: which
 * interfaces there are, and what the kernel takes away along with something, such as an interface's addresses.
 */
export function foresee(now: State, commands: readonly Command[]): State {
  return commands.reduce(after, now)
}

function after(now: State, { tool, argv, netns: place = HOST }: Command): State {
  const [object, verb, named = '', name = ''] = argv
  const ifname = wordAfter(argv, 'dev') ?? ''
  switch (`${tool} ${object} ${verb}`) {
    case 'nft delete table':
      return withNamespace(now, place, ({ rules }) => ({ rules: withoutTable(rules, { family: named, name }) }))
    case 'ip netns add':
      return new Map([...now, [named, EMPTY]])
    case 'ip link add':
      return withLinks(now, place, argv)
    case 'ip link delete':
      return withoutLink(now, place, ifname)
    case 'ip link set':
      return afterSetup(now, place, ifname, argv.slice(4))
    case 'ip address add':
      return withAddress(now, place, ifname, argv)
    case 'ip address delete':
      return withoutAddress(now, place, ifname, named)
    case 'ip route add':
      return withRoute(now, place, argv)
    case 'ip route delete':
      return withoutRoutes(now, place, (route) => asWords(route).join(' ') === argv.slice(2).join(' '))
    default:
      return now
  }
}

function wordAfter(argv: readonly string[], word: string): string | undefined {
  return argv.includes(word) ? argv[argv.indexOf(word) + 1] : undefined
}

const placeOf = (netns: string | undefined, place: string) => (netns === HOST_PID ? HOST : (netns ?? place))

/** An interface as it is made. */
const FRESH: Link = {
  index: 0,
  name: 'lo',
  kind: '',
  up: false,
  mac: '',
  mtu: 1500,
  master: undefined,
  alias: undefined,
  peer: undefined,
  peerIndex: undefined,
  peerNetnsId: undefined,
  port: undefined,
  vlanFiltering: false,
  vlanId: undefined,
  macvlanMode: undefined,
  ipvlanMode: undefined,
  promiscuous: false,
  allMulticast: false,
  queueLength: 1000,
  vlans: [],
  addresses: [],
}

/** A namespace as it is made. */
const EMPTY: Namespace = {
  inode: 0,
  since: 0,
  links: [FRESH],
  routes: [],
  policyRoutes: [],
  forwarding: { inet: {}, inet6: {} },
  rules: [],
  sysctls: {},
}

/** `ip link add`: the interface, and of a cable also the other end. */
function withLinks(now: State, place: string, argv: readonly string[]): State {
  // A name may be any of these words.
  const cut = argv.findIndex((word, i) => word === 'veth' && argv[i + 1] === 'peer') + 1
  const [near, far] = [argv, argv.slice(cut)]
  const [first, second] = [freeIndex(now), freeIndex(now) + 1]
  const kind = wordAfter(near, 'type') ?? ''
  const made = (words: readonly string[]): Link => ({
    ...FRESH,
    name: wordAfter(words, 'name') ?? '',
    kind,
    mac: wordAfter(words, 'address') ?? '',
    mtu: Number(wordAfter(words, 'mtu') ?? FRESH.mtu),
  })
  if (cut === 0) {
    const above = { peer: wordAfter(near, 'link'), vlanFiltering: wordAfter(near, 'vlan_filtering') === '1' }
    return withEnd(now, placeOf(wordAfter(near, 'netns'), place), { ...made(near), ...above, index: first })
  }
  const there = placeOf(wordAfter(far, 'netns'), place)
  const ends = [
    { ...made(near), index: first },
    { ...made(far), index: second },
  ] as const
  return plugged(withEnd(withEnd(now, place, ends[0]), there, ends[1]), [place, first], [there, second])
}

function freeIndex(now: State): number {
  let last = 0
  for (const namespace of now.values()) for (const { index } of namespace?.links ?? []) last = Math.max(last, index)
  return last + 1
}

function withEnd(now: State, place: string, link: Link): State {
  return withNamespace(now, place, ({ links }) => ({ links: [...links, link] }))
}

/** How the two ends of a cable know each other. */
function plugged(now: State, ...[one, two]: readonly [[string, number], [string, number]]): State {
  const linkAt = ([place, index]: [string, number]) => now.get(place)?.links.find((link) => link.index === index)
  const knowing = (state: State, [place, index]: [string, number], other: [string, number]) =>
    withNamespace(state, place, ({ links }) => ({
      links: links.map((link) =>
        link.index !== index
          ? link
          : place === other[0]
            ? { ...link, peer: linkAt(other)?.name, peerIndex: undefined }
            : { ...link, peer: undefined, peerIndex: other[1], peerNetnsId: undefined },
      ),
    }))
  return knowing(knowing(now, one, two), two, one)
}

/** An interface goes with the other end of its cable, with what lies on it, and with all that is said of it. */
function withoutLink(now: State, place: string, ifname: string): State {
  const link = findLink(now, ifname, place)
  if (!link) return now
  const far = link.kind === 'veth' ? otherEnd(now, { netns: place, link }) : undefined
  const above = interfacesOn(ifname, place, now)
  const rest = above.reduce((state, name) => withoutLink(state, place, name), withoutTraces(now, place, ifname))
  return far ? withoutTraces(rest, far.netns, far.link.name) : rest
}

/** `ip link set`: its words after the name. */
function afterSetup(now: State, place: string, ifname: string, words: readonly string[]): State {
  const [verb, value = ''] = words
  switch (verb) {
    case 'netns':
      return moved(now, [place, ifname], [placeOf(value, place), words[3] ?? ifname])
    case 'down':
      return withLink(
        withoutRoutes(now, place, ({ dev }) => dev === ifname),
        place,
        ifname,
        (link) => ({ up: false, addresses: link.addresses.filter(({ family }) => family !== 'inet6') }),
      )
    case 'up':
      return withLink(now, place, ifname, () => ({ up: true }))
    case 'name':
      return renamed(now, place, ifname, value)
    case 'master': // which puts it into the VLANs of the new bridge
      return withLink(now, place, ifname, () => ({ master: value, vlans: [] }))
    case 'nomaster':
      return withLink(now, place, ifname, () => ({ master: undefined, vlans: [] }))
    case 'addrgenmode':
      return now // a state does not tell
    case 'mtu':
      return withLink(now, place, ifname, () => ({ mtu: Number(value) }))
    default:
      return now
  }
}

/** An interface that goes into another namespace leaves behind all but its kind, its MAC and its other end. */
function moved(now: State, [place, ifname]: [string, string], [target, name]: [string, string]): State {
  const link = findLink(now, ifname, place)
  if (!link) return now
  const far = link.kind === 'veth' ? otherEnd(now, { netns: place, link }) : undefined
  const { kind, mac, mtu, alias, peer, macvlanMode, ipvlanMode } = link
  const arrived = { ...FRESH, index: freeIndex(now), name, kind, mac, mtu, alias, peer, macvlanMode, ipvlanMode }
  const state = withEnd(withoutTraces(now, place, ifname), target, arrived)
  return far ? plugged(state, [target, arrived.index], [far.netns, far.link.index]) : state
}

function renamed(now: State, place: string, ifname: string, name: string): State {
  const isIt = (one: string | undefined) => (one === ifname ? name : one)
  return withNamespace(now, place, ({ links, routes, policyRoutes }) => ({
    links: links.map((link) => ({
      ...link,
      name: isIt(link.name) ?? link.name,
      master: isIt(link.master),
      peer: isIt(link.peer),
    })),
    routes: routes.map((route) => ({ ...route, dev: isIt(route.dev) })),
    policyRoutes: policyRoutes.map((route) => ({ ...route, dev: isIt(route.dev) })),
  }))
}

function withAddress(now: State, place: string, ifname: string, argv: readonly string[]): State {
  const [address = '', prefix] = argv[2]?.split('/') ?? []
  const family = address.includes(':') ? 'inet6' : 'inet'
  const prefixRoute = !argv.includes('noprefixroute')
  const added = { family, address, prefix: Number(prefix), scope: 'global', prefixRoute } as const
  return withLink(now, place, ifname, ({ addresses }) => ({ addresses: [...addresses, added] }))
}

/**
 * With its last address of IPv4 an interface loses its routes of IPv4; with the first one of a subnet the others in it, which
 * are secondary.
 */
function withoutAddress(now: State, place: string, ifname: string, cidr: string): State {
  const isIn = ({ family, prefix, address }: Address) =>
    family === 'inet' && subnetOf(`${address}/${prefix}`) === subnetOf(cidr)
  const isPrimary = (addresses: readonly Address[]) => addresses.find(isIn)?.address === cidr.split('/')[0]
  const without = withLink(now, place, ifname, ({ addresses }) => ({
    addresses: isPrimary(addresses)
      ? addresses.filter((one) => !isIn(one))
      : addresses.filter(({ address, prefix }) => `${address}/${prefix}` !== cidr),
  }))
  const isLast = findLink(without, ifname, place)?.addresses.every(({ family }) => family !== 'inet') === true
  return isLast ? withoutRoutes(without, place, ({ dev, family }) => dev === ifname && family === 'inet') : without
}

function withRoute(now: State, place: string, argv: readonly string[]): State {
  const [dst = '', via, table = 'main'] = [argv[2], wordAfter(argv, 'via'), wordAfter(argv, 'table')]
  const isSix = (dst === 'default' ? (via ?? '') : dst).includes(':')
  const number = (word: string) => (argv.includes(word) ? Number(wordAfter(argv, word)) : undefined)
  const added: Route = {
    family: isSix ? 'inet6' : 'inet',
    dst,
    via,
    dev: wordAfter(argv, 'dev') ?? (via === undefined ? undefined : wayTo(via, now, place)),
    table,
    metric: number('metric') ?? (isSix ? 1024 : 0),
    mtu: number('mtu'),
    advmss: number('advmss'),
    scope: wordAfter(argv, 'scope') ?? 'global',
    protocol: wordAfter(argv, 'proto') ?? 'boot',
  }
  return withNamespace(now, place, ({ routes, policyRoutes }) =>
    table === 'main' ? { routes: [...routes, added] } : { policyRoutes: [...policyRoutes, added] },
  )
}

/** The interface that has an address in the subnet of a gateway. */
function wayTo(gateway: string, now: State, place: string): string | undefined {
  const isNear = ({ address, prefix }: Address) => contains(subnetOf(`${address}/${prefix}`), gateway)
  return now.get(place)?.links.find(({ addresses }) => addresses.some(isNear))?.name
}

/** The state of a namespace that an interface has left. */
function withoutTraces(now: State, place: string, ifname: string): State {
  const [conf, own] = [/^net\.ipv[46]\.(?:conf|neigh)\.([^.]+)\./, ifname.replaceAll('.', '/')]
  const quiet = withoutRoutes(now, place, ({ dev }) => dev === ifname)
  return withNamespace(quiet, place, ({ links, sysctls }) => ({
    links: links
      .filter(({ name }) => name !== ifname)
      .map((link) => (link.master === ifname ? { ...link, master: undefined, vlans: [] } : link)),
    sysctls: Object.fromEntries(Object.entries(sysctls).filter(([key]) => conf.exec(key)?.[1] !== own)),
  }))
}

function withoutRoutes(now: State, place: string, isLost: (route: Route) => boolean): State {
  const left = (routes: readonly Route[]) => routes.filter((route) => !isLost(route))
  return withNamespace(now, place, (one) => ({ routes: left(one.routes), policyRoutes: left(one.policyRoutes) }))
}

function withLink(now: State, place: string, ifname: string, change: (link: Link) => Partial<Link>): State {
  return withNamespace(now, place, ({ links }) => ({
    links: links.map((link) => (link.name === ifname ? { ...link, ...change(link) } : link)),
  }))
}

function withNamespace(now: State, place: string, change: (one: Namespace) => Partial<Namespace>): State {
  const namespace = now.get(place)
  return namespace ? new Map([...now, [place, { ...namespace, ...change(namespace) }]]) : now
}
