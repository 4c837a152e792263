import * as z from 'zod'
import { once } from '../once.ts'
import { HOST, type NftObject, type State } from '../state/state.ts'
import { type Command, MARK_ALIAS, nft } from './operation.ts'

/**
 * A table of nftables that cnilab makes. A table bears no mark (nft 1.0.6 shows no comments of tables and chains): what is
 * in it tells whose it is.
 */
export interface OwnTable {
  family: string
  name: string
  /** Whether cnilab puts such a thing there: a rule by its comment, all else by its kind, its name, and its hook. */
  has: (object: TableObject) => boolean
}

/** A table of anybody's. */
type Named = Pick<OwnTable, 'family' | 'name'>

/** The end of a rule that is ours. */
export const MARK_COMMENT = ['comment', `"${MARK_ALIAS}"`] as const

/** One thing in a table: a chain, a rule, a set … */
export interface TableObject {
  /** As libnftables-json(5) calls it. */
  kind: string
  /** Its name; of a rule that of its chain. */
  name: string
  /** Of a chain that the kernel calls: where. */
  hook?: string | undefined
  comment?: string | undefined
}

const objectSchema = once(() =>
  z
    .object({
      family: z.string(),
      table: z.string(),
      name: z.string().optional(),
      chain: z.string().optional(),
      hook: z.string().optional(),
      comment: z.string().optional(),
    })
    .transform(({ name, chain, ...rest }) => ({ ...rest, name: chain ?? name ?? '' })),
)

/** What is in a table, besides the elements of its sets. */
function contentsOf(rules: readonly NftObject[], { family, name }: Named): TableObject[] {
  return rules.flatMap((object) =>
    Object.entries(object).flatMap(([kind, value]) => {
      const { data } = objectSchema().safeParse(value)
      return data?.family === family && data.table === name ? [{ ...data, kind }] : []
    }),
  )
}

/** Whether the table is there. */
export function hasTable(rules: readonly NftObject[], { family, name }: Named): boolean {
  const schema = z.object({ family: z.literal(family), name: z.literal(name) })
  return rules.some(({ table }) => schema.safeParse(table).success)
}

/** The rules without a table and what is in it. */
export function withoutTable(rules: readonly NftObject[], table: Named): NftObject[] {
  return rules.filter((object) => !hasTable([object], table) && contentsOf([object], table).length === 0)
}

/** Whether a chain of the table has a rule whose expressions hold all of these words of JSON. */
export function hasRule(
  rules: readonly NftObject[],
  { family, name }: OwnTable,
  chain: string,
  words: readonly string[],
): boolean {
  const schema = z.object({
    family: z.literal(family),
    table: z.literal(name),
    chain: z.literal(chain),
    expr: z.array(z.unknown()),
  })
  return rules.some(({ rule }) => {
    const text = JSON.stringify(schema.safeParse(rule).data?.expr ?? [])
    return words.every((word) => text.includes(word))
  })
}

/** What is in a table that cnilab did not put there, in words. */
export function strangersIn(rules: readonly NftObject[], table: OwnTable): string[] {
  return contentsOf(rules, table)
    .filter((object) => !table.has(object))
    .map(({ kind, name }) => (kind === 'rule' ? `a rule in chain ${name}` : `${kind} ${name}`))
}

/** Whether a rule of ours is in a table. */
export function hasOwnRule(rules: readonly NftObject[], table: OwnTable): boolean {
  return contentsOf(rules, table).some((object) => object.kind === 'rule' && table.has(object))
}

/** What is somebody else's in a table, or that all of it is, in words: cnilab leaves none that is empty. Undefined if nothing is. */
export function foreignTable(rules: readonly NftObject[], table: OwnTable): string | undefined {
  if (!hasTable(rules, table)) return undefined
  const named = `table ${table.family} ${table.name}`
  if (contentsOf(rules, table).length === 0) return `${named}, which is empty, is not cnilab's`
  const strangers = strangersIn(rules, table)
  return strangers.length === 0 ? undefined : `${named} holds what cnilab did not make: ${strangers.join(', ')}`
}

/** The rules of a namespace; the host's without one. */
export function rulesIn(netns: string | undefined, now: State): readonly NftObject[] {
  return now.get(netns ?? HOST)?.rules ?? []
}

/** The command that deletes a table of a namespace, or of the host. */
export function deleteTable({ family, name }: OwnTable, netns?: string): Command {
  return nft(netns, 'delete', 'table', family, name)
}
