import * as z from 'zod'
import type { NftObject, State } from '../state/state.ts'
import { ipAddress, subnet } from './ip.ts'
import { isIpv6 } from '../ip-arithmetic.ts'
import { netnsPlace, ownerName } from './names.ts'
import { wholeNumber } from './scalars.ts'
import {
  elementsOf,
  type IpFamily,
  type OwnedElement,
  removeElement,
  refuseShared,
  removeShared,
  type SharedTable,
} from './nft-elements.ts'
import { deleteTable, foreignTable, hasRule, MARK_COMMENT, rulesIn, type TableObject } from './nft-tables.ts'
import {
  type Command,
  idIn,
  inNetns,
  MARK_ALIAS,
  missingNetns,
  namedNetns,
  nft,
  type OperationKind,
  type Reads,
  resource,
  type Verdict,
} from './operation.ts'

/** What all of them have: the namespace whose ports are forwarded; the host without it. */
interface Place {
  netns?: string | undefined
}

interface FamilyParams extends Place {
  family: IpFamily
}

interface PortParams extends Place {
  protocol: 'tcp' | 'udp' | 'sctp'
  /** The only address of the host to open the port at; by default all of the address's family. */
  hostIp?: string | undefined
  hostPort: number
  address: string
  containerPort: number
  /** Whose port it is: `network/container/interface`. */
  owner: string
}

interface SourceParams extends Place {
  source: string
  address: string
  owner: string
}

/** The table of all forwarded ports of all networks: each port of the host exists only once. */
export function portTable(family: IpFamily): SharedTable {
  return { family, name: 'cnilab_ports', has }
}

/** Its maps and its set: ports at any address of the host, ports at one address, and sources to masquerade. */
const [ANY, ONE, SOURCES] = ['any_address', 'one_address', 'masqueraded_sources'] as const

/** Its chains, and their hooks. */
const HOOKS: Readonly<Record<string, string | undefined>> = {
  ports: undefined,
  prerouting: 'prerouting',
  output: 'output',
  postrouting: 'postrouting',
  prerouting_raw: 'prerouting',
}

function has({ kind, name, hook, comment }: TableObject): boolean {
  if (kind === 'map') return name === ANY || name === ONE
  if (kind === 'set') return name === SOURCES
  return (
    Object.hasOwn(HOOKS, name) && (kind === 'rule' ? comment === MARK_ALIAS : kind === 'chain' && hook === HOOKS[name])
  )
}

const familyOf = (address: string): IpFamily => (isIpv6(address) ? 'ip6' : 'ip')
const reads = ({ netns }: Place): Reads => ({ namespaces: namedNetns(netns), netns, rules: true })
const needs = ({ netns }: Place) => namedNetns(netns).map(resource.netns)
const netnsParam = () => netnsPlace.optional().describe('the namespace whose ports are forwarded; the host without it')
const named = ({ family, name }: SharedTable) => `${family} ${name}`
const tablesOf = ({ netns }: Place, family: IpFamily) => (netns === undefined ? [named(portTable(family))] : [])

/**
 * Forwards ports of the host to containers: one table of nftables for each family, with maps from ports to containers,
 * for packets that come from elsewhere (prerouting) and from the host itself (output): nft(8), maps, dnat.
 */
export const portForwarding: OperationKind<'port-forwarding', FamilyParams> = {
  kind: 'port-forwarding',
  title: 'the rules that forward ports of the host to containers',
  step: () => 'masquerade',
  shared: true,
  get params() {
    return z.strictObject({
      family: z.enum(['ip', 'ip6']).describe('ip for IPv4, ip6 for IPv6'),
      netns: netnsParam(),
    })
  },
  id: (p) => idIn(p.netns, p.family),
  reads,
  provides: () => [],
  needs,
  tables: (p) => tablesOf(p, p.family),
  apply: ({ family, netns }) => {
    const { name } = portTable(family)
    const at = [family, name] as const
    const type = family === 'ip' ? 'ipv4_addr' : 'ipv6_addr'
    const chain = (title: string, hook: string) => [
      nft(netns, 'add', 'chain', ...at, title, hook),
      nft(netns, 'flush', 'chain', ...at, title), // once there, there is one rule of each
    ]
    const nat = (hook: string, priority: string) => `{ type nat hook ${hook} priority ${priority}; policy accept; }`
    const rule = (title: string, ...words: string[]) =>
      nft(netns, 'add', 'rule', ...at, title, ...words, ...MARK_COMMENT)
    const toLocal = ['fib', 'daddr', 'type', 'local', 'jump', 'ports']
    return [
      nft(netns, 'add', 'table', ...at),
      nft(netns, 'add', 'map', ...at, ANY, `{ type inet_proto . inet_service : ${type} . inet_service; }`),
      nft(netns, 'add', 'map', ...at, ONE, `{ type ${type} . inet_proto . inet_service : ${type} . inet_service; }`),
      nft(netns, 'add', 'set', ...at, SOURCES, `{ type ${type} . ${type}; flags interval; }`),
      ...chain('ports', ''),
      rule('ports', 'dnat', family, 'to', family, 'daddr . meta l4proto . th dport', 'map', `@${ONE}`),
      rule('ports', 'dnat', family, 'to', 'meta l4proto . th dport', 'map', `@${ANY}`),
      ...chain('prerouting', nat('prerouting', 'dstnat')),
      rule('prerouting', ...toLocal),
      ...chain('output', nat('output', '-100')),
      // Packets from ::1 never leave the host. Refused at once, clients of `localhost` fall back to 127.0.0.1.
      rule('output', ...(family === 'ip6' ? ['ip6', 'daddr', '!=', '::1'] : []), ...toLocal),
      ...chain('postrouting', nat('postrouting', 'srcnat')),
      rule('postrouting', 'ct status dnat', family, 'saddr .', family, 'daddr', `@${SOURCES}`, 'masquerade'),
      // Where packets from 127.0.0.1 may leave, packets to it may come in from outside (CVE-2020-8558).
      ...(family === 'ip'
        ? [
            ...chain('prerouting_raw', '{ type filter hook prerouting priority raw; policy accept; }'),
            rule('prerouting_raw', 'iifname', '!=', '"lo"', 'ip', 'daddr', '127.0.0.0/8', 'drop'),
          ]
        : []),
    ]
  },
  // It goes with the last port in it.
  undo: ({ family, netns }, _before, now) => removeShared(portTable(family), rulesIn(netns, now), netns),
  users: ({ family, netns }, now) => elementsOf(rulesIn(netns, now), portTable(family)).map(({ owner }) => owner),
  refusal: ({ family, netns }, now) => refuseShared(portTable(family), rulesIn(netns, now)),
  mend: (p) => [deleteTable(portTable(p.family), p.netns), ...portForwarding.apply(p)],
  explain: ({ family, netns }) => ({
    undoing: `Stop forwarding ports to containers (IPv${family === 'ip' ? 4 : 6})${inNetns(netns)}`,
    what: `Prepare the forwarding of ports to containers (IPv${family === 'ip' ? 4 : 6})${inNetns(netns)}`,
    why: 'All containers share the rules; each has its ports in their maps, so that one can leave without touching the others.',
  }),
  expected: ({ family, netns }) =>
    `rules forward the ports that table ${named(portTable(family))}${inNetns(netns)} lists`,
  judge: ({ family, netns }, now) => {
    const blocked = missingNetns(netns, now)
    if (blocked) return blocked
    const rules = rulesIn(netns, now)
    const table = portTable(family)
    const hasOne = (chain: string, ...words: string[]) => hasRule(rules, table, chain, words)
    const isThere =
      hasOne('ports', `"@${ONE}"`) &&
      hasOne('ports', `"@${ANY}"`) &&
      hasOne('prerouting', '"jump"') &&
      hasOne('output', '"jump"') &&
      hasOne('postrouting', `"@${SOURCES}"`, '"masquerade"') &&
      (family === 'ip6' || hasOne('prerouting_raw', '"drop"'))
    if (isThere) return { status: 'present', actual: `table ${named(table)}${inNetns(netns)} has the rules` }
    const foreign = foreignTable(rules, table)
    return foreign === undefined
      ? { status: 'absent', actual: `the rules are not all in a table ${named(table)}${inNetns(netns)}`, before: {} }
      : { status: 'differs', actual: foreign }
  },
}

const keyOf = (p: PortParams) => `${p.hostIp === undefined ? '' : `${p.hostIp} . `}${p.protocol} . ${p.hostPort}`
const mapOf = (p: PortParams) => (p.hostIp === undefined ? ANY : ONE)
const targetOf = (p: PortParams) => `${p.address} . ${p.containerPort}`
/** `tcp port 8080 of 203.0.113.2`, in words. */
const portOf = (p: PortParams) =>
  `${p.protocol} port ${p.hostPort}${p.hostIp === undefined ? '' : ` of ${p.hostIp}`} (IPv${isIpv6(p.address) ? 6 : 4})${inNetns(p.netns)}`

const port = () => wholeNumber.refine((n) => n >= 1 && n <= 65_535, { error: 'a port is a number from 1 to 65535' })

/** A port of the host that is forwarded to a port of a container. */
export const portForward: OperationKind<'port-forward', PortParams> = {
  kind: 'port-forward',
  title: 'a port of the host that leads to a port of a container',
  step: () => 'masquerade',
  get params() {
    return z.strictObject({
      protocol: z.enum(['tcp', 'udp', 'sctp']).describe('the protocol'),
      hostIp: ipAddress
        .optional()
        .describe("the only address of the host that it is open at; all of the container's family without it"),
      hostPort: port().describe('the port of the host'),
      address: ipAddress.describe('the address of the container'),
      containerPort: port().describe('the port of the container'),
      owner: ownerName.describe('whose port it is, as network/container/interface'),
      netns: netnsParam(),
    })
  },
  id: (p) => idIn(p.netns, `${familyOf(p.address)}.${keyOf(p).replaceAll(' . ', '.')}`),
  reads,
  provides: (p) => [resource.port(`${familyOf(p.address)}.${keyOf(p)}`, p.netns)],
  needs,
  tables: (p) => tablesOf(p, familyOf(p.address)),
  apply: (p) => {
    const { family, name } = portTable(familyOf(p.address))
    const element = `{ ${keyOf(p)} comment "${p.owner}" : ${targetOf(p)} }`
    return [nft(p.netns, 'create', 'element', family, name, mapOf(p), element)]
  },
  undo: (p, _before, now) => undoOwn(p, mapOf(p), keyOf(p), now),
  mend: (p, now) => [
    ...rivalsOf(p, now).map((one) => removeElement(portTable(familyOf(p.address)), one, p.netns)),
    ...portForward.apply(p),
  ],
  leftover: (p, now) => rivalsOf(p, now).every(({ target }) => target.startsWith(`${p.address} . `)),
  explain: (p) => ({
    undoing: `Stop forwarding ${portOf(p)}`,
    what: `Forward ${portOf(p)} to ${p.address}, port ${p.containerPort}`,
    why: `Nobody outside this host has a route to ${p.address}. What arrives at the port of the host gets the container's address as its destination, and the replies get the host's as their source.`,
  }),
  expected: (p) => `${portOf(p)} leads to ${p.address}, port ${p.containerPort}`,
  judge: (p, now) => {
    const blocked = missingNetns(p.netns, now)
    if (blocked) return blocked
    const elements = elementsOf(rulesIn(p.netns, now), portTable(familyOf(p.address)))
    const same = elements.find(({ set, value }) => set === mapOf(p) && value === keyOf(p))
    const there = same ?? elements.find((element) => element.owner !== p.owner && isSamePort(p, element))
    if (!there) return { status: 'absent', actual: `${portOf(p)} is not forwarded`, before: {} }
    return there.owner === p.owner && there.target === targetOf(p)
      ? { status: 'present', actual: `${portOf(p)} leads to ${there.target.replace(' . ', ', port ')}` }
      : {
          status: 'differs',
          actual: `${portOf(p)} leads to ${there.target.replace(' . ', ', port ')} for ${there.owner || 'somebody else'}`,
          owner: there.owner,
        }
  },
}

/** The UDP ports in a table of the owners for which `isMeant` holds; `hostIp` is '' for all addresses of the host. */
export function udpPortsIn(
  rules: readonly NftObject[],
  table: SharedTable,
  isMeant: (owner: string) => boolean,
): { hostIp: string; hostPort: number; address: string; containerPort: number }[] {
  return elementsOf(rules, table).flatMap(({ set, value, target, owner }) => {
    const [hostPort, protocol, hostIp = ''] = value.split(' . ').toReversed()
    const [address = '', containerPort] = target.split(' . ')
    return (set === ANY || set === ONE) && protocol === 'udp' && isMeant(owner)
      ? [{ hostIp, hostPort: Number(hostPort), address, containerPort: Number(containerPort) }]
      : []
  })
}

/** The elements in its place. */
function rivalsOf(p: PortParams, now: State): OwnedElement[] {
  return elementsOf(rulesIn(p.netns, now), portTable(familyOf(p.address))).filter(
    (one) => (one.set === mapOf(p) && one.value === keyOf(p)) || (one.owner !== p.owner && isSamePort(p, one)),
  )
}

/** Whether an element is for the same port, at any address of the host while ours is at one, or vice versa. */
function isSamePort(p: PortParams, { set, value }: OwnedElement): boolean {
  if (set !== ANY && set !== ONE) return false
  return set !== mapOf(p) && value.split(' . ').slice(-2).join(' . ') === `${p.protocol} . ${p.hostPort}`
}

/** Masquerades senders that reach a container by a port of the host, but that it would answer directly, bypassing the host. */
export const forwardMasquerade: OperationKind<'forward-masquerade', SourceParams> = {
  kind: 'forward-masquerade',
  title: 'who reaches a container by a port of the host is answered by way of the host',
  step: () => 'masquerade',
  get params() {
    return z.strictObject({
      source: subnet.describe('where packets come from'),
      address: ipAddress.describe('the address of the container'),
      owner: ownerName.describe('whose port it is, as network/container/interface'),
      netns: netnsParam(),
    })
  },
  id: (p) => idIn(p.netns, `${p.address}.${p.source}`),
  reads,
  provides: () => [],
  needs,
  tables: (p) => tablesOf(p, familyOf(p.address)),
  apply: (p) => {
    const { family, name } = portTable(familyOf(p.address))
    return [nft(p.netns, 'create', 'element', family, name, SOURCES, `{ ${sourceOf(p)} comment "${p.owner}" }`)]
  },
  undo: (p, _before, now) => undoOwn(p, SOURCES, sourceOf(p), now),
  mend: (p, now) => {
    const table = portTable(familyOf(p.address))
    const there = elementsOf(rulesIn(p.netns, now), table).filter(
      (one) => one.set === SOURCES && one.value === sourceOf(p),
    )
    return [...there.map((one) => removeElement(table, one, p.netns)), ...forwardMasquerade.apply(p)]
  },
  explain: (p) => ({
    undoing: `Stop masquerading what ${p.source} sends to ports that lead to ${p.address}${inNetns(p.netns)}`,
    what: `Masquerade what ${p.source} sends to ports ${p.netns === undefined ? 'of the host' : `of namespace ${p.netns}`} that lead to ${p.address}`,
    why: `${p.address} must answer by way of the host, where the port of the host is put back into the replies. To an address that it reaches in another way, or to its own, it would answer directly.`,
  }),
  leftover: () => true,
  expected: (p) => `${p.source} is masqueraded on its way to a forwarded port of ${p.address}${inNetns(p.netns)}`,
  judge: (p, now): Verdict => {
    const blocked = missingNetns(p.netns, now)
    if (blocked) return blocked
    const element = elementsOf(rulesIn(p.netns, now), portTable(familyOf(p.address))).find(
      ({ set, value }) => set === SOURCES && value === sourceOf(p),
    )
    if (!element)
      return {
        status: 'absent',
        actual: `${p.source} is not masqueraded towards ${p.address}${inNetns(p.netns)}`,
        before: {},
      }
    const actual = `${p.source} is masqueraded towards ${p.address}${inNetns(p.netns)}, for ${element.owner || 'somebody else'}`
    return { status: element.owner === p.owner ? 'present' : 'differs', actual }
  },
}

/** The element as nft prints it: a single address has no prefix. */
const sourceOf = (p: SourceParams) => `${p.source.replace(isIpv6(p.source) ? /\/128$/ : /\/32$/, '')} . ${p.address}`

function undoOwn(p: Place & { address: string; owner: string }, set: string, value: string, now: State): Command[] {
  const table = portTable(familyOf(p.address))
  return elementsOf(rulesIn(p.netns, now), table)
    .filter((element) => element.set === set && element.value === value && element.owner === p.owner)
    .map((element) => removeElement(table, element, p.netns))
}
