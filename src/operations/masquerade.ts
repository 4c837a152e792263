import * as z from 'zod'
import { once } from '../once.ts'
import { type Address, containersOf, HOST, type NftObject, type Route, type State } from '../state/state.ts'
import { contains, isIpv6 } from '../ip-arithmetic.ts'
import { netnsPlace } from './names.ts'
import { subnet } from './ip.ts'
import {
  deleteTable,
  foreignTable,
  hasOwnRule,
  hasTable,
  type OwnTable,
  rulesIn,
  foreignObjects,
} from './nft-tables.ts'
import {
  inNetns,
  MARK_ALIAS,
  missingNetns,
  namedNetns,
  nft,
  type OperationKind,
  placeId,
  type Proof,
  resource,
} from './operation.ts'

interface Params {
  subnet: string
  netns?: string | undefined
  /** On the machine: a unique id in the comment of its rule. */
  mark?: { id: string } | undefined
}

const tableOf = (p: Params) => `cnilab_${p.subnet.replace(/[^0-9a-f]/g, '_')}`
const familyOf = (p: Params) => (isIpv6(p.subnet) ? 'ip6' : 'ip')
const commentOf = ({ mark }: Params) => (mark ? `${MARK_ALIAS} ${mark.id}` : MARK_ALIAS)

const CHAIN = 'postrouting'

function ownTable(p: Params): OwnTable {
  return {
    family: familyOf(p),
    name: tableOf(p),
    has: ({ kind, name, hook, comment }) =>
      name === CHAIN && (kind === 'rule' ? comment === commentOf(p) : kind === 'chain' && hook === CHAIN),
  }
}

/** Source NAT for a subnet, in an nftables table of its own, so that undo just deletes the table: nft(8), masquerade. */
export const masquerade: OperationKind<'masquerade', Params> = {
  kind: 'masquerade',
  title: 'packets that leave a subnet get the address of the host (source NAT)',
  step: () => 'masquerade',
  get params() {
    return z.strictObject({
      subnet: subnet
        .refine((text) => !text.endsWith('/0'), {
          error: 'a subnet of everything has no outside to masquerade towards, for example: 10.22.0.0/16',
        })
        .describe('the subnet whose packets leave with the address of the host, or of netns'),
      netns: netnsPlace.optional().describe('the namespace that they leave through; by default the host'),
      mark: z.strictObject({ id: z.string().regex(/^\w+$/) }).optional(),
    })
  },
  id: (p) => placeId(p.netns, p.subnet),
  reads: (p) => ({ namespaces: namedNetns(p.netns), netns: p.netns, rules: true }),
  modules: 'nf_tables nft_masq nft_chain_nat',
  mark: (p, derive) => ({ ...p, mark: p.mark ?? { id: derive('rule').slice(0, 8) } }),
  provides: () => [],
  needs: (p) => namedNetns(p.netns).map(resource.netns),
  apply: (p) => {
    const [family, table] = [familyOf(p), tableOf(p)]
    const at = [family, table] as const
    return [
      nft(p.netns, 'add', 'table', ...at),
      nft(p.netns, 'add', 'chain', ...at, CHAIN, '{ type nat hook postrouting priority srcnat; policy accept; }'),
      nft(
        p.netns,
        'add',
        'rule',
        ...at,
        CHAIN,
        family,
        'saddr',
        p.subnet,
        family,
        'daddr',
        '!=',
        p.subnet,
        'masquerade',
        'comment',
        `"${commentOf(p)}"`,
      ),
    ]
  },
  undo: (p, _before, now) => {
    const rules = rulesIn(p.netns, now)
    if (!hasTable(rules, ownTable(p))) return []
    // The table may lack its rule, if we were stopped between the two.
    const isOurs = !p.mark || hasOwnRule(rules, ownTable(p)) || foreignObjects(rules, ownTable(p)).length === 0
    return isOurs ? [deleteTable(ownTable(p), p.netns)] : []
  },
  mend: (p) => [deleteTable(ownTable(p), p.netns), ...masquerade.apply(p)],
  users: (p, now) => {
    const rules = rulesIn(p.netns, now)
    const isOurs = p.mark !== undefined && hasOwnRule(rules, ownTable(p))
    return isOurs ? foreignObjects(rules, ownTable(p)).map((what) => `${what} of table ${tableOf(p)}`) : []
  },
  explain: (p) => ({
    what: `Masquerade ${p.subnet}${inNetns(p.netns)}`,
    undoing: `Stop masquerading ${p.subnet}${inNetns(p.netns)}`,
    why: `The outside has no route back to ${p.subnet}. Masquerading replaces the source address of every packet that leaves the subnet with the host's own, and translates the replies back.`,
    iptables: `${isIpv6(p.subnet) ? 'ip6tables' : 'iptables'} -t nat -A POSTROUTING -s ${p.subnet} ! -d ${p.subnet} -j MASQUERADE`,
  }),
  expected: (p) => `a rule masquerades ${p.subnet}${inNetns(p.netns)}`,
  judge: (p, now) => {
    const blocked = missingNetns(p.netns, now)
    if (blocked) return blocked
    const host = now.get(p.netns ?? HOST)
    const table = masqueradeRule(p.subnet, host?.rules ?? [], host?.routes ?? [])
    const foreign = p.mark ? foreignTable(host?.rules ?? [], ownTable(p)) : undefined
    return table !== undefined
      ? { status: 'present', actual: `table ${table} masquerades ${p.subnet}` }
      : foreign !== undefined
        ? { status: 'differs', actual: foreign }
        : { status: 'absent', actual: `no rule masquerades ${p.subnet}`, before: {} }
  },
  proof: (p, now) => (p.netns === undefined ? translation(p.subnet, now) : undefined),
}

/**
 * By what packets show that the host masquerades a subnet, whatever its rules look like: the internet sees somebody in the
 * subnet under an address that is not of the subnet.
 */
export function translation(of: string, now: State): Proof | undefined {
  const within = ({ scope, address }: Address) => scope !== 'link' && contains(of, address)
  const from = containersOf(now).filter((name) => now.get(name)?.links.some((link) => link.addresses.some(within)))
  if (isIpv6(of) || from.length === 0) return undefined
  return {
    by: 'callers',
    from,
    unclear: (now.get(HOST)?.rules ?? []).some(({ rule }) => isTranslating(rule))
      ? `the rules translate something, but no packet of ${of} gets out, so it cannot be seen whether they translate that`
      : undefined,
    shows: (callers) => {
      const translated = callers.find((caller) => !contains(of, caller))
      const who = from.length === 1 ? from[0] : `a container of ${of}`
      return translated === undefined ? undefined : `the internet sees ${who} as ${translated}`
    },
  }
}

const placeOf = (family: string, table: string, chain: string) => `${family} ${table} ${chain}`

/** The parts of libnftables-json(5) by which a masquerade rule is recognised. Built on first use: it takes 2 ms. */
const schemas = once(() => {
  /** The place of a chain that sees every packet on its way out. */
  const hookedSchema = z
    .object({ family: z.string(), table: z.string(), name: z.string(), hook: z.literal('postrouting') })
    .transform(({ family, table, name }) => placeOf(family, table, name))

  const ruleSchema = z.object({
    family: z.string(),
    table: z.string(),
    chain: z.string(),
    expr: z.array(z.looseObject({})).default([]),
  })

  /** The right side of a match on addresses. A bare address is a prefix of full length. */
  const prefixSchema = z.union([
    z.string().transform((address) => `${address}/${isIpv6(address) ? 128 : 32}`),
    z
      .object({ prefix: z.object({ addr: z.string(), len: z.number() }) })
      .transform(({ prefix }) => `${prefix.addr}/${prefix.len}`),
  ])
  const addressMatch = z.object({
    match: z.object({
      op: z.enum(['==', '!=']),
      left: z.object({ payload: z.object({ field: z.enum(['saddr', 'daddr']) }) }),
      right: prefixSchema,
    }),
  })
  const outputMatch = z.object({
    match: z.object({
      op: z.enum(['==', '!=']),
      left: z.object({ meta: z.object({ key: z.literal('oifname') }) }),
      right: z.string(),
    }),
  })

  /** nft and iptables-nft write the same thing differently in JSON; either counts. */
  const masqueradeSchema = z.union([
    z.object({ masquerade: z.unknown() }).refine((e) => 'masquerade' in e),
    z.object({ xt: z.object({ name: z.literal('MASQUERADE') }) }),
  ])

  /** A condition of iptables-nft that nft cannot spell out. A comment is not a condition. */
  const xtMatch = z.object({
    xt: z.object({ type: z.literal('match'), name: z.string().refine((name) => name !== 'comment') }),
  })
  return { hookedSchema, ruleSchema, addressMatch, outputMatch, masqueradeSchema, xtMatch }
})

/**
 * The table of the first rule that masquerades the packets that leave a subnet, whoever made it. `rules` and `routes` are
 * those of the namespace that they leave through.
 */
export function masqueradeRule(of: string, rules: readonly NftObject[], routes: readonly Route[]): string | undefined {
  const p = { subnet: of }
  const uplinks = routes.filter((route) => route.dst === 'default').map((route) => route.dev)
  // Rules of other chains see packets only if some rule jumps there.
  const hooked = new Set(rules.map(({ chain }) => schemas().hookedSchema.safeParse(chain).data))
  for (const { rule } of rules) {
    const { data } = schemas().ruleSchema.safeParse(rule)
    if (!data || !hooked.has(placeOf(data.family, data.table, data.chain))) continue
    if (![familyOf(p), 'inet'].includes(data.family) || !data.expr.some((e) => isMasquerade(e))) continue
    if (data.expr.every((e) => lets(e, p, uplinks))) return data.table
  }
  return undefined
}

/** Whether an expression passes every packet that leaves the subnet by an uplink. A match that we cannot read counts as no. */
function lets(expression: unknown, p: Params, uplinks: readonly (string | undefined)[]): boolean {
  if (schemas().xtMatch.safeParse(expression).success) return false
  if (typeof expression !== 'object' || expression === null || !('match' in expression)) return true
  const address = schemas().addressMatch.safeParse(expression).data?.match
  if (address?.left.payload.field === 'saddr') return address.op === '==' && covering(address.right, p.subnet)
  if (address) return address.op === '!=' && (covering(p.subnet, address.right) || isMulticast(address.right))
  const output = schemas().outputMatch.safeParse(expression).data?.match
  return output !== undefined && (output.op === '==') === uplinks.includes(output.right)
}

/** Plugins exempt multicast, which no router forwards anyway. */
function isMulticast(prefix: string): boolean {
  return prefix === '224.0.0.0/4' || prefix === 'ff00::/8'
}

function covering(outer: string, inner: string): boolean {
  const [address = '', length = ''] = inner.split('/')
  return Number(outer.split('/')[1]) <= Number(length) && contains(outer, address)
}

/** Whether a rule translates the sources of some packets, in any way. */
function isTranslating(rule: unknown): boolean {
  const { data } = schemas().ruleSchema.safeParse(rule)
  return data?.expr.some((e) => isMasquerade(e) || 'snat' in e) === true
}

/** Whether an expression of a rule masquerades. */
export function isMasquerade(expression: unknown): boolean {
  return schemas().masqueradeSchema.safeParse(expression).success
}

/** The subnets that some rule masquerades, as far as rules name one. */
export function masqueradedSubnets(rules: readonly NftObject[]): string[] {
  const subnets = rules.flatMap(({ rule }) => {
    const { data } = schemas().ruleSchema.safeParse(rule)
    if (!data?.expr.some((e) => isMasquerade(e))) return []
    return data.expr.flatMap((e) => {
      const match = schemas().addressMatch.safeParse(e).data?.match
      return match?.op === '==' && match.left.payload.field === 'saddr' ? [match.right] : []
    })
  })
  return [...new Set(subnets)]
}
