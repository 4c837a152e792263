import * as z from 'zod'
import { HOST, type State } from '../state/state.ts'
import { ipAddress, subnet } from './ip.ts'
import { isIpv6 } from '../ip-arithmetic.ts'
import { ownerName } from './names.ts'
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
import { deleteTable, foreignTable, hasRule, MARK_COMMENT, type TableObject } from './nft-tables.ts'
import { type Command, MARK_ALIAS, type OperationKind, resource, type Verdict } from './operation.ts'

interface FamilyParams {
  family: IpFamily
}

interface PortParams {
  protocol: 'tcp' | 'udp' | 'sctp'
  /** The only address of the host to open the port at; by default all of the address's family. */
  hostIp?: string | undefined
  hostPort: number
  address: string
  containerPort: number
  /** Whose port it is: `network/container/interface`. */
  owner: string
}

interface SourceParams {
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
const rulesOf = (now: State) => now.get(HOST)?.rules ?? []
const nft = (...argv: string[]): Command => ({ tool: 'nft', argv })
const named = ({ family, name }: SharedTable) => `${family} ${name}`

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
    return z.strictObject({ family: z.enum(['ip', 'ip6']).describe('ip for IPv4, ip6 for IPv6') })
  },
  id: (p) => p.family,
  reads: () => ({ namespaces: [], rules: true }),
  provides: () => [],
  needs: () => [],
  tables: (p) => [named(portTable(p.family))],
  apply: ({ family }) => {
    const { name } = portTable(family)
    const at = [family, name] as const
    const type = family === 'ip' ? 'ipv4_addr' : 'ipv6_addr'
    const chain = (title: string, hook: string) => [
      nft('add', 'chain', ...at, title, hook),
      nft('flush', 'chain', ...at, title), // once there, there is one rule of each
    ]
    const nat = (hook: string, priority: string) => `{ type nat hook ${hook} priority ${priority}; policy accept; }`
    const rule = (title: string, ...words: string[]) => nft('add', 'rule', ...at, title, ...words, ...MARK_COMMENT)
    const toLocal = ['fib', 'daddr', 'type', 'local', 'jump', 'ports']
    return [
      nft('add', 'table', ...at),
      nft('add', 'map', ...at, ANY, `{ type inet_proto . inet_service : ${type} . inet_service; }`),
      nft('add', 'map', ...at, ONE, `{ type ${type} . inet_proto . inet_service : ${type} . inet_service; }`),
      nft('add', 'set', ...at, SOURCES, `{ type ${type} . ${type}; flags interval; }`),
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
  // The table goes with its last port.
  undo: ({ family }, _before, now) => removeShared(portTable(family), rulesOf(now)),
  users: ({ family }, now) => elementsOf(rulesOf(now), portTable(family)).map(({ owner }) => owner),
  refusal: ({ family }, now) => refuseShared(portTable(family), rulesOf(now)),
  mend: (p) => [deleteTable(portTable(p.family)), ...portForwarding.apply(p)],
  explain: ({ family }) => ({
    undoing: `Stop forwarding ports to containers (IPv${family === 'ip' ? 4 : 6})`,
    what: `Prepare the forwarding of ports to containers (IPv${family === 'ip' ? 4 : 6})`,
    why: 'All containers share the rules; each has its ports in their maps, so that one can leave without touching the others.',
  }),
  expected: ({ family }) => `rules forward the ports that table ${named(portTable(family))} lists`,
  judge: ({ family }, now) => {
    const table = portTable(family)
    const hasOne = (chain: string, ...words: string[]) => hasRule(rulesOf(now), table, chain, words)
    const isThere =
      hasOne('ports', `"@${ONE}"`) &&
      hasOne('ports', `"@${ANY}"`) &&
      hasOne('prerouting', '"jump"') &&
      hasOne('output', '"jump"') &&
      hasOne('postrouting', `"@${SOURCES}"`, '"masquerade"') &&
      (family === 'ip6' || hasOne('prerouting_raw', '"drop"'))
    if (isThere) return { status: 'present', actual: `table ${named(table)} has the rules` }
    const foreign = foreignTable(rulesOf(now), table)
    return foreign === undefined
      ? { status: 'absent', actual: `the rules are not all in a table ${named(table)}`, before: {} }
      : { status: 'differs', actual: foreign }
  },
}

const keyOf = (p: PortParams) => `${p.hostIp === undefined ? '' : `${p.hostIp} . `}${p.protocol} . ${p.hostPort}`
const mapOf = (p: PortParams) => (p.hostIp === undefined ? ANY : ONE)
const targetOf = (p: PortParams) => `${p.address} . ${p.containerPort}`
/** `tcp port 8080 of 203.0.113.2`, in words. */
const portOf = (p: PortParams) =>
  `${p.protocol} port ${p.hostPort}${p.hostIp === undefined ? '' : ` of ${p.hostIp}`} (IPv${isIpv6(p.address) ? 6 : 4})`

const port = wholeNumber.refine((n) => n >= 1 && n <= 65_535, { error: 'a port is a number from 1 to 65535' })

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
      hostPort: port.describe('the port of the host'),
      address: ipAddress.describe('the address of the container'),
      containerPort: port.describe('the port of the container'),
      owner: ownerName.describe('whose port it is, as network/container/interface'),
    })
  },
  id: (p) => `${familyOf(p.address)}.${keyOf(p).replaceAll(' . ', '.')}`,
  reads: () => ({ namespaces: [], rules: true }),
  provides: (p) => [resource.port(`${familyOf(p.address)}.${keyOf(p)}`)],
  needs: () => [],
  tables: (p) => [named(portTable(familyOf(p.address)))],
  apply: (p) => {
    const { family, name } = portTable(familyOf(p.address))
    return [nft('create', 'element', family, name, mapOf(p), `{ ${keyOf(p)} comment "${p.owner}" : ${targetOf(p)} }`)]
  },
  undo: (p, _before, now) => undoOwn(p, mapOf(p), keyOf(p), now),
  mend: (p, now) => {
    const table = portTable(familyOf(p.address))
    const there = elementsOf(rulesOf(now), table).filter(
      (one) => (one.set === mapOf(p) && one.value === keyOf(p)) || isSamePort(p, one),
    )
    return [...there.map((one) => removeElement(table, one)), ...portForward.apply(p)]
  },
  explain: (p) => ({
    undoing: `Stop forwarding ${portOf(p)}`,
    what: `Forward ${portOf(p)} to ${p.address}, port ${p.containerPort}`,
    why: `Nobody outside this host has a route to ${p.address}. What arrives at the port of the host gets the container's address as its destination, and the replies get the host's as their source.`,
  }),
  expected: (p) => `${portOf(p)} leads to ${p.address}, port ${p.containerPort}`,
  judge: (p, now) => {
    const elements = elementsOf(rulesOf(now), portTable(familyOf(p.address)))
    const same = elements.find(({ set, value }) => set === mapOf(p) && value === keyOf(p))
    const there = same ?? elements.find((element) => element.owner !== p.owner && isSamePort(p, element))
    if (!there) return { status: 'absent', actual: `${portOf(p)} is not forwarded`, before: {} }
    return there.owner === p.owner && there.target === targetOf(p)
      ? { status: 'present', actual: `${portOf(p)} leads to ${there.target.replace(' . ', ', port ')}` }
      : {
          status: 'differs',
          actual: `${portOf(p)} leads to ${there.target.replace(' . ', ', port ')} for ${there.owner || 'somebody else'}`,
        }
  },
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
    })
  },
  id: (p) => `${p.address}.${p.source}`,
  reads: () => ({ namespaces: [], rules: true }),
  provides: () => [],
  needs: () => [],
  tables: (p) => [named(portTable(familyOf(p.address)))],
  apply: (p) => {
    const { family, name } = portTable(familyOf(p.address))
    return [nft('create', 'element', family, name, SOURCES, `{ ${sourceOf(p)} comment "${p.owner}" }`)]
  },
  undo: (p, _before, now) => undoOwn(p, SOURCES, sourceOf(p), now),
  mend: (p, now) => {
    const table = portTable(familyOf(p.address))
    const there = elementsOf(rulesOf(now), table).filter((one) => one.set === SOURCES && one.value === sourceOf(p))
    return [...there.map((one) => removeElement(table, one)), ...forwardMasquerade.apply(p)]
  },
  explain: (p) => ({
    undoing: `Stop masquerading what ${p.source} sends to ports that lead to ${p.address}`,
    what: `Masquerade what ${p.source} sends to ports of the host that lead to ${p.address}`,
    why: `${p.address} must answer by way of the host, where the port of the host is put back into the replies. To an address that it reaches in another way, or to its own, it would answer directly.`,
  }),
  expected: (p) => `${p.source} is masqueraded on its way to a forwarded port of ${p.address}`,
  judge: (p, now): Verdict => {
    const element = elementsOf(rulesOf(now), portTable(familyOf(p.address))).find(
      ({ set, value }) => set === SOURCES && value === sourceOf(p),
    )
    if (!element) return { status: 'absent', actual: `${p.source} is not masqueraded towards ${p.address}`, before: {} }
    const actual = `${p.source} is masqueraded towards ${p.address}, for ${element.owner || 'somebody else'}`
    return { status: element.owner === p.owner ? 'present' : 'differs', actual }
  },
}

/** The element as nft prints it: a single address has no prefix. */
const sourceOf = (p: SourceParams) => `${p.source.replace(isIpv6(p.source) ? /\/128$/ : /\/32$/, '')} . ${p.address}`

function undoOwn(p: { address: string; owner: string }, set: string, value: string, now: State): Command[] {
  const table = portTable(familyOf(p.address))
  return elementsOf(rulesOf(now), table)
    .filter((element) => element.set === set && element.value === value && element.owner === p.owner)
    .map((element) => removeElement(table, element))
}
