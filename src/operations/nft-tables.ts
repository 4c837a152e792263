import { HOST, type NftObject, type State } from '../state/state.ts'
import { type Command, MARK_ALIAS, nft } from './operation.ts'

/**
 * An nftables table that cnilab makes. The table itself bears no mark, as nft 1.0.6 shows no comments of tables and chains:
 * its contents tell whose it is.
 */
export interface OwnTable {
  family: string
  name: string
  /** Whether cnilab makes such an object: a rule is known by its comment, everything else by its kind, name and hook. */
  has: (object: TableObject) => boolean
}

/** Any table. */
type Named = Pick<OwnTable, 'family' | 'name'>

/** How our rules end. */
export const MARK_COMMENT = ['comment', `"${MARK_ALIAS}"`] as const

/** An object in a table: a chain, a rule, a set … */
export interface TableObject {
  /** As libnftables-json(5) calls it. */
  kind: string
  /** Its name; for a rule, the name of its chain. */
  name: string
  /** Where the kernel calls a base chain. */
  hook?: string | undefined
  comment?: string | undefined
}

type Members = Readonly<Record<string, unknown>>

/** The members of a value that is an object; of anything else there are none. */
export function membersOf(value: unknown): Members {
  return isObject(value) ? value : {}
}

function isObject(value: unknown): value is Members {
  return typeof value === 'object' && value !== null
}

/** A text; undefined if it is something else. */
export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** The objects in a table; the elements of its sets do not count. */
function contentsOf(rules: readonly NftObject[], table: Named): TableObject[] {
  return rules.flatMap((object) =>
    Object.entries(object).flatMap(([kind, value]) => {
      const its = membersOf(value)
      if (its['family'] !== table.family || its['table'] !== table.name) return []
      const name = textOf(its['chain']) ?? textOf(its['name']) ?? ''
      return [{ kind, name, hook: textOf(its['hook']), comment: textOf(its['comment']) }]
    }),
  )
}

/** Whether the table exists. */
export function hasTable(rules: readonly NftObject[], { family, name }: Named): boolean {
  return rules.some(({ table }) => {
    const its = membersOf(table)
    return its['family'] === family && its['name'] === name
  })
}

/** The rules without a table and its contents. */
export function withoutTable(rules: readonly NftObject[], table: Named): NftObject[] {
  return rules.filter((object) => !hasTable([object], table) && contentsOf([object], table).length === 0)
}

/** Whether a chain of the table has a rule whose JSON contains all of these words. */
export function hasRule(
  rules: readonly NftObject[],
  { family, name }: OwnTable,
  chain: string,
  words: readonly string[],
): boolean {
  return rules.some(({ rule }) => {
    const its = membersOf(rule)
    if (its['family'] !== family || its['table'] !== name || its['chain'] !== chain) return false
    const text = JSON.stringify(its['expr'] ?? [])
    return words.every((word) => text.includes(word))
  })
}

/** The objects in a table that cnilab did not make, in words. */
export function foreignObjects(rules: readonly NftObject[], table: OwnTable): string[] {
  return contentsOf(rules, table)
    .filter((object) => !table.has(object))
    .map(({ kind, name }) => (kind === 'rule' ? `a rule in chain ${name}` : `${kind} ${name}`))
}

/** Whether a table contains a rule of ours. */
export function hasOwnRule(rules: readonly NftObject[], table: OwnTable): boolean {
  return contentsOf(rules, table).some((object) => object.kind === 'rule' && table.has(object))
}

/** Says in words what somebody else has put into a table, or that the table is not ours: cnilab never leaves an empty one. Undefined if there is no such table, or all of it is ours. */
export function foreignTable(rules: readonly NftObject[], table: OwnTable): string | undefined {
  if (!hasTable(rules, table)) return undefined
  const named = `table ${table.family} ${table.name}`
  if (contentsOf(rules, table).length === 0) return `${named}, which is empty, is not cnilab's`
  const strangers = foreignObjects(rules, table)
  return strangers.length === 0
    ? undefined
    : `${named} holds something that cnilab did not make: ${strangers.join(', ')}`
}

/** The rules of a namespace; the host's without one. */
export function rulesIn(netns: string | undefined, now: State): readonly NftObject[] {
  return now.get(netns ?? HOST)?.rules ?? []
}

/** The command that deletes a table of a namespace, or of the host. */
export function deleteTable({ family, name }: OwnTable, netns?: string): Command {
  return nft(netns, 'delete', 'table', family, name)
}
