import type { Lab } from '../../src/lab/format/lab.ts'
import type { Operation } from '../../src/operations/registry.ts'
import { bindOperation } from '../../src/operations/registry.ts'
import { toLine } from '../../src/plan/command-line.ts'

/** One end of a cable, or a bridge: an interface, and its namespace, undefined for the host. */
interface Place {
  netns: string | undefined
  ifname: string
}

/** What a lab has built by the end of a step: so much of it can be got wrong. */
interface Scene {
  namespaces: string[]
  bridges: string[]
  cables: { near: Place; far: Place }[]
  ports: { ifname: string; bridge: string }[]
  addresses: { at: Place; address: string; prefix: string }[]
  ups: Place[]
  routes: { netns: string | undefined; dst: string; via: string }[]
  /** The commands of the step after it. */
  next: string[]
  forwards: boolean
  subnets: string[]
}

/** What a lab has built by the end of its step with this index. */
function sceneOf(lab: Lab, step: number): Scene {
  const plan = [...lab.start, ...lab.steps.slice(0, step + 1).flatMap(({ operations }) => operations)]
  const scene: Scene = {
    namespaces: [],
    bridges: [],
    cables: [],
    ports: [],
    addresses: [],
    ups: [],
    routes: [],
    next: (lab.steps[step + 1]?.operations ?? []).flatMap((one) =>
      bindOperation(one).apply.map((command) => toLine(command, '$$')),
    ),
    forwards: false,
    subnets: [],
  }
  for (const operation of plan) add(scene, operation)
  return scene
}

function add(scene: Scene, { kind, params: p }: Operation): void {
  switch (kind) {
    case 'netns':
      scene.namespaces.push(p.name)
      break
    case 'bridge':
      scene.bridges.push(p.name)
      break
    case 'veth':
      scene.cables.push({ near: { netns: p.netns, ifname: p.name }, far: { netns: p.peerNetns, ifname: p.peer } })
      break
    case 'attach-netns':
      for (const end of scene.cables.flatMap(({ near, far }) => [near, far]))
        if (end.ifname === p.ifname && end.netns === p.from)
          Object.assign(end, { netns: p.netns, ifname: p.name ?? p.ifname })
      break
    case 'attach-bridge':
      scene.ports.push({ ifname: p.ifname, bridge: p.bridge })
      break
    case 'address': {
      const [address = '', prefix = ''] = p.address.split('/')
      scene.addresses.push({ at: { netns: p.netns, ifname: p.ifname }, address, prefix })
      break
    }
    case 'up':
      scene.ups.push({ netns: p.netns, ifname: p.ifname })
      break
    case 'route':
      if (p.via !== undefined) scene.routes.push({ netns: p.netns, dst: p.dst, via: p.via })
      break
    case 'sysctl':
      scene.forwards = true
      break
    case 'masquerade':
      scene.subnets.push(p.subnet)
      break
    default:
  }
}

const ip = (netns: string | undefined) => (netns === undefined ? 'ip' : `ip -n ${netns}`)
const target = (netns: string | undefined) => netns ?? '$$'
const last = (address: string) => address.replace(/\d+$/, '77')

/** Takes an address away, and puts one in its place: on the same interface, unless `to` names another. */
const instead = (
  { at, address, prefix }: Scene['addresses'][number],
  { text = `${address}/${prefix}`, to = at }: { text?: string; to?: Place },
) => [
  `${ip(at.netns)} address delete ${address}/${prefix} dev ${at.ifname}`,
  `${ip(to.netns)} address add ${text} dev ${to.ifname}`,
]

const move = ({ netns, ifname }: Place, to: string | undefined, name = ifname) =>
  `${ip(netns)} link set dev ${ifname} netns ${target(to)} name ${name}`
const rename = ({ netns, ifname }: Place, name: string) => [
  `${ip(netns)} link set dev ${ifname} down`,
  `${ip(netns)} link set dev ${ifname} name ${name}`,
]
const isElsewhere = ({ netns }: Place) => netns !== undefined

/** Wrong states, by name: the commands that a learner may have typed; none if the lab has nothing for it. */
const TABLE: Readonly<Record<string, (scene: Scene) => readonly string[]>> = {
  'a wrong prefix': ({ addresses }) =>
    addresses.flatMap((one) => instead(one, { text: `${one.address}/${one.prefix === '24' ? 25 : 24}` })),
  'no prefix': ({ addresses }) => addresses.flatMap((one) => instead(one, { text: one.address })),
  'a wrong address': ({ addresses }) =>
    addresses.flatMap((one) => instead(one, { text: `${last(one.address)}/${one.prefix}` })),
  'an address on the wrong end': ({ addresses, cables }) =>
    addresses.flatMap((one) => {
      const cable = cables.find(({ near, far }) => [near, far].some((end) => isSame(end, one.at)))
      const other = cable && (isSame(cable.near, one.at) ? cable.far : cable.near)
      const to = other ?? cables[0]?.near
      return to ? instead(one, { to }) : []
    }),
  'addresses the wrong way round': ({ addresses: [one, two] }) =>
    one && two
      ? [
          ...instead(one, { text: `${two.address}/${two.prefix}` }),
          ...instead(two, { text: `${one.address}/${one.prefix}` }),
        ]
      : [],
  'ends swapped': ({ cables }) =>
    cables
      .slice(0, 1)
      .flatMap(({ near, far }) =>
        isElsewhere(near) || isElsewhere(far)
          ? [
              move(near, undefined, 'tmp1'),
              move(far, undefined, 'tmp2'),
              move({ netns: undefined, ifname: 'tmp1' }, far.netns, far.netns === undefined ? near.ifname : far.ifname),
              move(
                { netns: undefined, ifname: 'tmp2' },
                near.netns,
                near.netns === undefined ? far.ifname : near.ifname,
              ),
            ]
          : [],
      ),
  'the wrong end in the namespace': ({ cables }) =>
    cables.slice(0, 1).flatMap(({ near, far }) => {
      const [inside, outside] = isElsewhere(near) ? [near, far] : [far, near]
      if (!isElsewhere(inside) || isElsewhere(outside)) return []
      return [move(inside, undefined, 'spare'), move(outside, inside.netns, inside.ifname)]
    }),
  'a namespace misspelt': ({ namespaces, cables }) => [
    'ip netns add rde',
    ...cables
      .flatMap(({ near, far }) => [near, far])
      .filter(({ netns }) => netns === namespaces[0])
      .slice(0, 1)
      .map((end) => move(end, 'rde')),
    ...(cables.length === 0 ? namespaces.slice(0, 1).map((one) => `ip netns delete ${one}`) : []),
  ],
  'an end in the namespace of another': ({ namespaces, cables }) => {
    const end = cables.flatMap(({ near, far }) => [near, far]).find(isElsewhere)
    const other = namespaces.find((name) => name !== end?.netns)
    return end && other !== undefined ? [move(end, other, 'strange')] : []
  },
  'a wrong interface name': ({ cables }) => cables.flatMap(({ near }) => rename(near, `x-${near.ifname}`)),
  'a wrong interface name at the other end': ({ cables }) =>
    cables.flatMap(({ far }) => rename(far, `x-${far.ifname}`)),
  'wrong names at both ends': ({ cables }) =>
    cables.flatMap(({ near, far }) => [...rename(near, `x-${near.ifname}`), ...rename(far, `y-${far.ifname}`)]),
  'both ends in one namespace': ({ cables, namespaces: [first] }) =>
    first === undefined
      ? []
      : cables
          .slice(0, 1)
          .flatMap(({ near, far }) => [near, far])
          .filter(({ netns }) => netns !== first)
          .map((end) => move(end, first, `b-${end.ifname}`)),
  'both ends on the host': ({ cables }) =>
    cables
      .slice(0, 1)
      .flatMap(({ near, far }) => [near, far])
      .filter(isElsewhere)
      .map((end) => move(end, undefined, end.ifname === 'eth0' ? 'loose' : end.ifname)),
  'a wrong bridge': ({ ports }) =>
    ports.length === 0
      ? []
      : ['ip link add name br9 type bridge', ...ports.map(({ ifname }) => `ip link set dev ${ifname} master br9`)],
  'no bridge': ({ bridges }) => bridges.map((name) => `ip link delete dev ${name}`),
  'a bridge in a namespace': ({ bridges, namespaces }) =>
    bridges.flatMap((name) => [
      `ip link delete dev ${name}`,
      `ip -n ${namespaces[0] ?? 'none'} link add name ${name} type bridge`,
    ]),
  'something else in place of the bridge': ({ bridges }) =>
    bridges.flatMap((name) => [`ip link delete dev ${name}`, `ip link add name ${name} type veth peer name peer-of`]),
  'interfaces down': ({ ups }) => ups.map(({ netns, ifname }) => `${ip(netns)} link set dev ${ifname} down`),
  'a route by another gateway': ({ routes }) =>
    routes.map(({ netns, dst, via }) => `${ip(netns)} route replace ${dst} via ${last(via)}`),
  'two default routes': ({ routes }) =>
    routes.flatMap(({ netns, dst, via }) => [
      `${ip(netns)} route delete ${dst}`,
      `${ip(netns)} route add ${dst} via ${via} metric 100`,
      `${ip(netns)} route add ${dst} via ${last(via)} metric 50`,
    ]),
  'forwarding set in the container': ({ forwards, namespaces }) =>
    forwards
      ? [
          'sysctl -qw net.ipv4.ip_forward=0',
          ...namespaces.map((name) => `ip netns exec ${name} sysctl -qw net.ipv4.ip_forward=1`),
        ]
      : [],
  'masquerade of another subnet': ({ subnets }) =>
    subnets.flatMap((subnet) => [
      `nft delete table ip cnilab_${subnet.replaceAll(/[^0-9a-f]/g, '_')}`,
      'nft add table ip nat',
      "nft 'add chain ip nat post { type nat hook postrouting priority 100; }'",
      `nft add rule ip nat post ip saddr ${subnet.replace(/^\d+\.\d+/, '10.99')} masquerade`,
    ]),
  'a later step done first': ({ next }) => next,
  'the same subnet twice': ({ addresses, cables }) => {
    const one = addresses.find(({ at }) => at.netns === undefined)
    const port = cables.flatMap(({ near, far }) => [near, far]).find(({ netns }) => netns === undefined)
    return one && port ? [`ip address add ${last(one.address)}/${one.prefix} dev ${port.ifname}`] : []
  },
  'a wrong entry in the neighbour table': ({ routes }) =>
    routes.map(
      ({ netns, via }) =>
        `${ip(netns)} neighbour replace ${via} lladdr 02:00:00:00:00:01 dev $(${ip(netns)} -o link show up type veth | sed 's/.*: \\(.*\\)@.*/\\1/;q') nud permanent`,
    ),
  'the spanning tree protocol': ({ bridges }) =>
    bridges.flatMap((name) => [
      `ip link set dev ${name} down`,
      `ip link set dev ${name} type bridge stp_state 1`,
      `ip link set dev ${name} up`,
    ]),
  'the uplink in the bridge': ({ bridges }) => bridges.slice(0, 1).map((name) => `ip link set dev eth0 master ${name}`),
  'ends of a cable for packets of different sizes': ({ cables }) =>
    cables.slice(0, 1).map(({ near: { netns, ifname } }) => `${ip(netns)} link set dev ${ifname} mtu 1280`),
  'a container is gone': ({ namespaces }) => namespaces.slice(0, 1).map((name) => `ip netns delete ${name}`),
  'a file in place of the namespace': ({ namespaces }) =>
    namespaces.slice(0, 1).flatMap((name) => [`ip netns delete ${name}`, `touch /run/netns/${name}`]),
}

function isSame(one: Place, other: Place): boolean {
  return one.netns === other.netns && one.ifname === other.ifname
}

/** A wrong state before a step: its name, and the commands that make it. */
export interface WrongState {
  name: string
  shell: string
}

/** The wrong states of a lab that a learner may be in at the step with this index. What fails of the commands does not matter. */
export function wrongStates(lab: Lab, step: number): WrongState[] {
  return Object.entries(TABLE).flatMap(([name, make]) => {
    const lines = make(sceneOf(lab, step))
    return lines.length === 0 ? [] : [{ name, shell: lines.join('\n') }]
  })
}

/** Commands that make, in these namespaces, rules of somebody else's that let nothing pass. */
export function foreignRules(namespaces: readonly string[]): string {
  const rules = `nft add table inet guard
nft 'add chain inet guard forward { type filter hook forward priority 0; }'
nft add rule inet guard forward ip protocol icmp drop
nft 'add chain inet guard input { type filter hook input priority 0; policy drop; }'`
  return namespaces
    .filter((name) => name !== 'internet')
    .map((name) => (name === 'host' ? rules : rules.replaceAll(/^/gm, `ip netns exec ${name} `)))
    .join('\n')
}
