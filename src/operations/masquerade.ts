import * as z from 'zod'
import { HOST, type NftObject } from '../state/state.ts'
import { anyNetns, contains, isIpv6, subnet } from './names.ts'
import { type OperationKind, MARK_ALIAS, missingNetns, placeId, resource } from './operation.ts'

interface Params {
  subnet: string
  netns?: string | undefined
}

const tableOf = (p: Params) => `cnilab_${p.subnet.replace(/[^0-9a-f]/g, '_')}`
const familyOf = (p: Params) => (isIpv6(p.subnet) ? 'ip6' : 'ip')

/** Source NAT for a subnet, one nftables table each, so that undoing it is deleting the table: nft(8), masquerade. */
export const masquerade: OperationKind<'masquerade', Params> = {
  kind: 'masquerade',
  params: z.strictObject({ subnet, netns: anyNetns.optional() }),
  id: (p) => placeId(p.netns, p.subnet),
  provides: () => [],
  needs: (p) => (p.netns === undefined ? [] : [resource.netns(p.netns)]),
  apply: (p) => {
    const [family, table] = [familyOf(p), tableOf(p)]
    const nft = (...argv: string[]) => ({ tool: 'nft', argv, netns: p.netns }) as const
    return [
      nft('add', 'table', family, table),
      nft(
        'add',
        'chain',
        family,
        table,
        'postrouting',
        '{ type nat hook postrouting priority srcnat; policy accept; }',
      ),
      nft(
        'add',
        'rule',
        family,
        table,
        'postrouting',
        family,
        'saddr',
        p.subnet,
        family,
        'daddr',
        '!=',
        p.subnet,
        'masquerade',
        'comment',
        `"${MARK_ALIAS}"`,
      ),
    ]
  },
  undo: (p, _before, now) =>
    // The table alone counts: it may be there without its rule, if something stopped us between the two.
    (now.get(p.netns ?? HOST)?.rules ?? []).some(
      ({ table }) => tableSchema.safeParse(table).data === `${familyOf(p)} ${tableOf(p)}`,
    )
      ? [{ tool: 'nft', argv: ['delete', 'table', familyOf(p), tableOf(p)], netns: p.netns }]
      : [],
  explain: (p) => ({
    what: `Masquerade ${p.subnet}`,
    why: `The outside has no route back to ${p.subnet}. Masquerading replaces the source address of every packet that leaves the subnet with the host's own, and translates the replies back. With iptables: ${isIpv6(p.subnet) ? 'ip6tables' : 'iptables'} -t nat -A POSTROUTING -s ${p.subnet} ! -d ${p.subnet} -j MASQUERADE`,
  }),
  expected: (p) => `a rule masquerades ${p.subnet}`,
  judge: (p, now) => {
    const blocked = missingNetns(p.netns, now)
    if (blocked) return blocked
    const [rule] = rulesOf(p, now.get(p.netns ?? HOST)?.rules).filter((r) => r.masquerades)
    return rule
      ? { status: 'present', actual: `table ${rule.table} masquerades ${p.subnet}` }
      : { status: 'absent', actual: `no rule masquerades ${p.subnet}`, before: {} }
  },
}

/** A table of libnftables-json(5), as its family and name. */
const tableSchema = z
  .object({ family: z.string(), name: z.string() })
  .transform(({ family, name }) => `${family} ${name}`)

/** The parts of libnftables-json(5) that tell a masquerade rule. */
const ruleSchema = z.object({
  family: z.string(),
  table: z.string(),
  expr: z.array(z.looseObject({})).default([]),
})
const sourceSchema = z.object({
  match: z.object({
    op: z.literal('=='),
    left: z.object({ payload: z.object({ field: z.literal('saddr') }) }),
    right: z.union([z.string(), z.object({ prefix: z.object({ addr: z.string(), len: z.number() }) })]),
  }),
})

/** nft and iptables-nft write the same thing differently in JSON; both count, whoever wrote the rule. */
const masqueradeSchema = z.union([
  z.object({ masquerade: z.unknown() }).refine((e) => 'masquerade' in e),
  z.object({ xt: z.object({ name: z.literal('MASQUERADE') }) }),
])

/** The rules about this subnet's source addresses, or everybody's, and whether each of them masquerades. */
function rulesOf(p: Params, objects: readonly NftObject[] = []): { table: string; masquerades: boolean }[] {
  return objects.flatMap(({ rule }) => {
    const parsed = ruleSchema.safeParse(rule)
    if (!parsed.success || ![familyOf(p), 'inet'].includes(parsed.data.family)) return []
    const { table, expr } = parsed.data
    const sources = expr.flatMap((e) => sourceSchema.safeParse(e).data ?? [])
    const covers = sources.every(
      ({ match: { right } }) =>
        typeof right !== 'string' && covering(`${right.prefix.addr}/${right.prefix.len}`, p.subnet),
    )
    return covers ? [{ table, masquerades: expr.some((e) => isMasquerade(e)) }] : []
  })
}

function covering(outer: string, inner: string): boolean {
  const [address = '', length = ''] = inner.split('/')
  return Number(outer.split('/')[1]) <= Number(length) && contains(outer, address)
}

/** Whether an expression of a rule masquerades. */
export function isMasquerade(expression: unknown): boolean {
  return masqueradeSchema.safeParse(expression).success
}
