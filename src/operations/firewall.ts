import * as z from 'zod'
import { isIpv6 } from '../ip-arithmetic.ts'
import type { NftObject } from '../state/state.ts'
import { ipAddress } from './ip.ts'
import { netnsPlace, ownerName, ruleInterface } from './names.ts'
import {
  elementsOf,
  type OwnedElement,
  refuseShared,
  removeElement,
  removeOwned,
  removeShared,
  type SharedTable,
} from './nft-elements.ts'
import {
  deleteTable,
  foreignTable,
  hasRule,
  MARK_COMMENT,
  membersOf,
  rulesIn,
  type TableObject,
  textOf,
} from './nft-tables.ts'
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
} from './operation.ts'

/** Who may send to a container by way of the host: whoever its network lets, only its own bridge, or nobody. */
export const INGRESS = ['open', 'same-bridge', 'isolated'] as const
/** One of them. */
export type Ingress = (typeof INGRESS)[number]

type Family = SharedTable['family']

interface Place {
  netns?: string | undefined
}

interface TableParams extends Place {
  family: Family
}

interface MemberParams extends Place {
  address: string
  ingress: Ingress
  /** The interface by which its own bridge's packets come to the host. */
  bridge?: string | undefined
  owner: string
}

interface AcceptParams extends Place {
  family: 'ip' | 'ip6' | 'inet'
  table: string
  chain: string
  /** Chains in the same table that the administrator fills, and that come first. */
  first?: readonly string[] | undefined
}

/** The table of all containers that are let through. */
export function firewallTable(family: Family): SharedTable {
  return { family, name: FIREWALL, has }
}

/** Its name. */
export const FIREWALL = 'cnilab_firewall'

/**
 * The bit of a packet's mark that says that it is to be let through: an accept in one table does not help against a drop in
 * another, so the one sets it and a rule in the other looks at it. Those of Kubernetes, Docker and Cilium are others.
 */
const BIT = 0x1000
const HEX = '0x1000'

/** Its sets: who is let through, who is guarded, and by which interface a guarded one may be reached; and those who are isolated. */
const [ACCEPTED, GUARDED, HOME, ISOLATED4, ISOLATED6] = [
  'accepted',
  'guarded',
  'home',
  'isolated4',
  'isolated6',
] as const
const SETS: readonly string[] = [ACCEPTED, GUARDED, HOME, ISOLATED4, ISOLATED6]
const CHAIN = 'forward'

function has({ kind, name, hook, comment }: TableObject): boolean {
  if (kind === 'set') return SETS.includes(name)
  return name === CHAIN && (kind === 'rule' ? comment === MARK_ALIAS : kind === 'chain' && hook === 'forward')
}

const reads = ({ netns }: Place): Reads => ({ namespaces: namedNetns(netns), netns, rules: true })
const needs = ({ netns }: Place) => namedNetns(netns).map(resource.netns)
const netnsParam = () => netnsPlace.optional().describe('the namespace that forwards the packets; the host without it')
const named = ({ family, name }: SharedTable) => `${family} ${name}`

/** Marks what containers send, and what is sent back to them or to their published ports; and guards some of them. */
export const firewall: OperationKind<'firewall', TableParams> = {
  kind: 'firewall',
  title: 'rules that say which containers the host forwards packets for',
  step: () => 'masquerade',
  shared: true,
  get params() {
    return z.strictObject({
      family: z
        .enum(['ip', 'ip6', 'bridge'])
        .describe('ip for IPv4, ip6 for IPv6, bridge for what a bridge forwards from one port to another'),
      netns: netnsParam(),
    })
  },
  id: (p) => idIn(p.netns, p.family),
  reads,
  provides: () => [],
  needs,
  tables: (p) => (p.netns === undefined ? [named(firewallTable(p.family))] : []),
  apply: ({ family, netns }) => {
    const at = [family, FIREWALL] as const
    const set = (name: string, type: string) => nft(netns, 'add', 'set', ...at, name, `{ type ${type}; }`)
    const rule = (...words: string[]) => nft(netns, 'add', 'rule', ...at, CHAIN, ...words, ...MARK_COMMENT)
    const chain = (priority: string) => [
      nft(netns, 'add', 'chain', ...at, CHAIN, `{ type filter hook forward priority ${priority}; policy accept; }`),
      nft(netns, 'flush', 'chain', ...at, CHAIN), // once there, there is one rule of each
    ]
    if (family === 'bridge')
      return [
        nft(netns, 'add', 'table', ...at),
        set(ISOLATED4, 'ipv4_addr'),
        set(ISOLATED6, 'ipv6_addr'),
        ...chain('filter'),
        rule('ip', 'daddr', `@${ISOLATED4}`, 'drop'),
        rule('ip6', 'daddr', `@${ISOLATED6}`, 'drop'),
      ]
    const type = family === 'ip' ? 'ipv4_addr' : 'ipv6_addr'
    const mark = ['meta', 'mark', 'set', 'meta', 'mark', 'or', HEX]
    const to = [family, 'daddr', `@${ACCEPTED}`]
    return [
      nft(netns, 'add', 'table', ...at),
      set(ACCEPTED, type),
      set(GUARDED, type),
      set(HOME, `${type} . ifname`),
      // Before the chains that may drop, which look at the mark.
      ...chain('-10'),
      rule(family, 'saddr', `@${ACCEPTED}`, ...mark),
      rule(...to, 'ct', 'state', 'established,related', ...mark),
      rule(...to, 'ct', 'status', 'dnat', ...mark),
      rule(family, 'daddr', '.', 'meta', 'iifname', `@${HOME}`, 'accept'),
      rule(family, 'saddr', `@${GUARDED}`, family, 'daddr', `@${GUARDED}`, 'drop'),
    ]
  },
  undo: ({ family, netns }, _before, now) => removeShared(firewallTable(family), rulesIn(netns, now), netns),
  users: ({ family, netns }, now) => elementsOf(rulesIn(netns, now), firewallTable(family)).map(({ owner }) => owner),
  refusal: ({ family, netns }, now) => refuseShared(firewallTable(family), rulesIn(netns, now)),
  mend: (p) => [deleteTable(firewallTable(p.family), p.netns), ...firewall.apply(p)],
  explain: ({ family, netns }) => ({
    undoing: `Stop telling containers' packets from others${inNetns(netns)} (${family})`,
    what: `Prepare telling containers' packets from others${inNetns(netns)} (${family})`,
    why: 'All containers share the rules; each has its address in their sets, so that one can leave without touching the others.',
  }),
  expected: ({ family, netns }) =>
    `table ${named(firewallTable(family))}${inNetns(netns)} tells containers' packets from others`,
  judge: ({ family, netns }, now) => {
    const blocked = missingNetns(netns, now)
    if (blocked) return blocked
    const rules = rulesIn(netns, now)
    const table = firewallTable(family)
    const hasOne = (...words: string[]) => hasRule(rules, table, CHAIN, words)
    const isThere =
      family === 'bridge'
        ? hasOne(`"@${ISOLATED4}"`, '"drop"') && hasOne(`"@${ISOLATED6}"`, '"drop"')
        : hasOne('"saddr"', `"@${ACCEPTED}"`, '"mangle"') &&
          hasOne('"daddr"', `"@${ACCEPTED}"`, '"established"', '"mangle"') &&
          hasOne('"daddr"', `"@${ACCEPTED}"`, '"dnat"', '"mangle"') &&
          hasOne(`"@${HOME}"`, '"accept"') &&
          hasOne(`"@${GUARDED}"`, '"drop"')
    if (isThere) return { status: 'present', actual: `table ${named(table)}${inNetns(netns)} has the rules` }
    const foreign = foreignTable(rules, table)
    return foreign === undefined
      ? { status: 'absent', actual: `the rules are not all in a table ${named(table)}${inNetns(netns)}`, before: {} }
      : { status: 'differs', actual: foreign }
  },
}

/** An element of a member: in which table and set, and its value. */
interface MemberPlace {
  table: SharedTable
  set: string
  value: string
}

/** The elements that a member has. */
function placesOf({ address, ingress, bridge }: MemberParams): MemberPlace[] {
  const isSix = isIpv6(address)
  const own = firewallTable(isSix ? 'ip6' : 'ip')
  const isHome = ingress === 'same-bridge' && bridge !== undefined
  return [
    { table: own, set: ACCEPTED, value: address },
    ...(ingress === 'open' ? [] : [{ table: own, set: GUARDED, value: address }]),
    ...(isHome ? [{ table: own, set: HOME, value: `${address} . ${bridge}` }] : []),
    ...(ingress === 'isolated'
      ? [{ table: firewallTable('bridge'), set: isSix ? ISOLATED6 : ISOLATED4, value: address }]
      : []),
  ]
}

const tablesOfMember = (p: MemberParams) => [...new Set(placesOf(p).map(({ table }) => named(table)))]

/** Of the elements of a member those that are there, whoever they belong to. */
function thereOf(p: MemberParams, rules: readonly NftObject[]): (OwnedElement & { table: SharedTable })[] {
  return placesOf(p).flatMap(({ table, set, value }) =>
    elementsOf(rules, table)
      .filter((one) => one.set === set && one.value === value)
      .map((one) => ({ ...one, table })),
  )
}

/** How nft writes an element: the name of an interface is quoted. */
function written({ set, value }: Pick<OwnedElement, 'set' | 'value'>): string {
  return set === HOME ? value.replace(/ \. (.*)$/, ' . "$1"') : value
}

function removed(element: OwnedElement & { table: SharedTable }, netns: string | undefined): Command {
  return removeElement(element.table, { ...element, value: written(element) }, netns)
}

/** A container whose packets are let through, and by whom it may be reached. */
export const firewallMember: OperationKind<'firewall-member', MemberParams> = {
  kind: 'firewall-member',
  title: "a container's address in the rules that let it through",
  step: () => 'masquerade',
  get params() {
    return z
      .strictObject({
        address: ipAddress.describe('the address of the container'),
        ingress: z
          .enum(INGRESS)
          .describe(
            'who may reach it by way of the host: open, same-bridge for its own bridge alone, isolated for none',
          ),
        bridge: ruleInterface.optional().describe('its bridge, for same-bridge'),
        owner: ownerName.describe('whose address it is, as network/container/interface'),
        netns: netnsParam(),
      })
      .refine((p) => p.ingress !== 'same-bridge' || p.bridge !== undefined, {
        error: 'same-bridge needs the name of the bridge',
        path: ['bridge'],
      })
  },
  id: (p) => idIn(p.netns, p.address),
  reads,
  provides: () => [],
  needs,
  tables: (p) => (p.netns === undefined ? tablesOfMember(p) : []),
  apply: (p) =>
    placesOf(p).map(({ table: { family, name }, ...one }) =>
      nft(p.netns, 'create', 'element', family, name, one.set, `{ ${written(one)} comment "${p.owner}" }`),
    ),
  // The table goes with its last address.
  undo: (p, _before, now) => {
    const rules = rulesIn(p.netns, now)
    const isOwn = (owner: string) => owner === p.owner
    const tables = [...new Map(placesOf(p).map(({ table }) => [table.family, table])).values()]
    return tables.flatMap((table) =>
      elementsOf(rules, table).some(({ owner }) => isOwn(owner)) ? removeMembers(table, isOwn, rules, p.netns) : [],
    )
  },
  mend: (p, now) => [
    ...thereOf(p, rulesIn(p.netns, now)).map((one) => removed(one, p.netns)),
    ...firewallMember.apply(p),
  ],
  leftover: () => true,
  explain: (p) => ({
    undoing: `Stop letting packets of ${p.address} through${inNetns(p.netns)}`,
    what: `Let packets of ${p.address} through${inNetns(p.netns)}`,
    why: 'Where the host drops what it forwards, as one with Docker does, a container sends nothing out and gets no answer, although its network is right.',
  }),
  expected: (p) =>
    `packets of ${p.address} are let through${inNetns(p.netns)}${p.ingress === 'open' ? '' : `, and it is ${p.ingress === 'isolated' ? 'isolated from other containers' : `reached only by ${p.bridge ?? 'its bridge'}`}`}`,
  judge: (p, now) => {
    const blocked = missingNetns(p.netns, now)
    if (blocked) return blocked
    const there = thereOf(p, rulesIn(p.netns, now))
    const other = there.find(({ owner }) => owner !== p.owner)
    if (other)
      return {
        status: 'differs',
        actual: `${p.address} is let through${inNetns(p.netns)} for ${other.owner || 'somebody else'}`,
        owner: other.owner,
      }
    if (there.length === placesOf(p).length)
      return { status: 'present', actual: `${p.address} is in the sets of ${tablesOfMember(p).join(' and ')}` }
    const actual = `${p.address} is in ${there.length === 0 ? 'no set' : 'not all sets'} of ${tablesOfMember(p).join(' and ')}${inNetns(p.netns)}`
    return there.length === 0 ? { status: 'absent', actual, before: {} } : { status: 'differs', actual, owner: p.owner }
  },
}

/** Like `removeOwned`, for this table, in which names of interfaces are quoted. */
export function removeMembers(
  table: SharedTable,
  isGone: (owner: string) => boolean,
  rules: readonly NftObject[],
  netns?: string,
): Command[] {
  const commands = removeOwned(table, isGone, rules, netns)
  const isWhole = commands.some(({ argv: [, object] }) => object === 'table')
  return isWhole
    ? commands
    : elementsOf(rules, table)
        .filter(({ owner }) => isGone(owner))
        .map((one) => removed({ ...one, table }, netns))
}

/** A rule of ours in a chain of somebody else's: where it is, its handle, and where it leads. */
interface OwnRule {
  family: string
  table: string
  chain: string
  handle: number
  /** The chain that it jumps to; undefined if it accepts. */
  jumps: string | undefined
}

function ownRules(rules: readonly NftObject[]): OwnRule[] {
  return rules.flatMap(({ rule }) => {
    const { family, table, chain, handle, comment, expr } = membersOf(rule)
    const text = JSON.stringify(expr ?? [])
    if (comment !== MARK_ALIAS || table === FIREWALL || typeof handle !== 'number' || !text.includes(String(BIT)))
      return []
    const [, jumps] = /"jump":\{"target":"([^"]+)"/.exec(text) ?? []
    return [{ family: textOf(family) ?? '', table: textOf(table) ?? '', chain: textOf(chain) ?? '', handle, jumps }]
  })
}

/** The commands that take our rules out of the chains of others. */
export function removeAccepts(rules: readonly NftObject[], netns?: string): Command[] {
  return ownRules(rules).map((one) => remove(one, netns))
}

function remove({ family, table, chain, handle }: OwnRule, netns?: string): Command {
  return nft(netns, 'delete', 'rule', family, table, chain, 'handle', String(handle))
}

const isIn = (p: AcceptParams) => (one: OwnRule) =>
  one.family === p.family && one.table === p.table && one.chain === p.chain

const NFT_NAME = /^[A-Za-z][\w/.-]*$/
const nftName = () => z.string().regex(NFT_NAME, { error: 'a name of nftables has letters, digits, _ . - /' })

/** Lets containers' packets through a chain of somebody else's that drops what is forwarded. */
export const forwardAccept: OperationKind<'forward-accept', AcceptParams> = {
  kind: 'forward-accept',
  title: "a chain of others lets containers' packets through",
  step: () => 'masquerade',
  shared: true,
  get params() {
    return z.strictObject({
      family: z.enum(['ip', 'ip6', 'inet']).describe('the family of the table'),
      table: nftName().describe('the table of the chain, for example filter'),
      chain: nftName().describe('the chain that drops, for example FORWARD'),
      first: z.array(nftName()).optional().describe('chains of the table that such packets pass first'),
      netns: netnsParam(),
    })
  },
  id: (p) => idIn(p.netns, `${p.family}.${p.table}.${p.chain}`),
  reads,
  provides: () => [],
  needs,
  tables: (p) =>
    p.netns === undefined ? [`${p.family} ${p.table}`, ...FAMILIES.map((one) => named(firewallTable(one)))] : [],
  // Each goes to the top: what comes first is inserted last.
  apply: ({ family, table, chain, first = [], netns }) =>
    [['accept'], ...first.map((one) => ['jump', one])].map((verdict) =>
      nft(
        netns,
        'insert',
        'rule',
        family,
        table,
        chain,
        'meta',
        'mark',
        'and',
        HEX,
        '==',
        HEX,
        'counter',
        ...verdict,
        ...MARK_COMMENT,
      ),
    ),
  undo: (p, _before, now) =>
    ownRules(rulesIn(p.netns, now))
      .filter(isIn(p))
      .map((one) => remove(one, p.netns)),
  users: ({ netns }, now) => membersIn(rulesIn(netns, now)),
  leftover: () => true, // all that differs are rules of our own
  mend: (p, now) => [...forwardAccept.undo(p, {}, now), ...forwardAccept.apply(p)],
  explain: ({ family, table, chain, netns }) => ({
    undoing: `Stop letting containers' packets through chain ${chain} of ${family} ${table}${inNetns(netns)}`,
    what: `Let containers' packets through chain ${chain} of ${family} ${table}${inNetns(netns)}`,
    why: 'A packet must be accepted by every table. This chain drops what it does not know, so it has to know the packets that our own table has marked.',
  }),
  expected: ({ family, table, chain, netns }) =>
    `chain ${chain} of table ${family} ${table}${inNetns(netns)} lets containers' packets through`,
  judge: (p, now) => {
    const blocked = missingNetns(p.netns, now)
    if (blocked) return blocked
    const place = `chain ${p.chain} of table ${p.family} ${p.table}${inNetns(p.netns)}`
    const own = ownRules(rulesIn(p.netns, now)).filter(isIn(p))
    const wanted = [undefined, ...(p.first ?? [])]
    if (wanted.every((jumps) => own.some((one) => one.jumps === jumps)))
      return { status: 'present', actual: `${place} has our rule` }
    return own.length === 0
      ? { status: 'absent', actual: `${place} has no rule of ours`, before: {} }
      : { status: 'differs', actual: `${place} has not all of our rules` }
  },
}

/** The families of the tables of containers. */
export const FAMILIES = ['ip', 'ip6', 'bridge'] as const

/** Who is let through, in any family. */
function membersIn(rules: readonly NftObject[]): string[] {
  return FAMILIES.flatMap((family) => elementsOf(rules, firewallTable(family)).map(({ owner }) => owner))
}

/** Whether somebody is let through, once these owners are gone. */
export function hasMembers(rules: readonly NftObject[], isGone: (owner: string) => boolean): boolean {
  return membersIn(rules).some((owner) => !isGone(owner))
}
