import * as z from 'zod'
import type { NftObject } from '../state/state.ts'
import { deleteTable, hasOwnRule, type OwnTable, foreignObjects } from './nft-tables.ts'
import { type Command, nft, type Refusal } from './operation.ts'

/** The table families for IPv4 and IPv6. */
export type IpFamily = 'ip' | 'ip6'

/** A table that several containers share: each has elements in its sets and maps, with the owner as comment. */
export interface SharedTable extends OwnTable {
  family: IpFamily
}

/**
 * A container's element in a set or a map: its value in nft's notation, the target that a map gives it ('' in a set), and
 * its owner ('' if it has none).
 */
export interface OwnedElement {
  set: string
  value: string
  target: string
  owner: string
}

const wordsSchema: z.ZodType<string> = z.lazy(() =>
  z.union([
    z.string(),
    z.number().transform(String),
    z.object({ concat: z.array(wordsSchema) }).transform(({ concat }) => concat.join(' . ')),
    z
      .object({ prefix: z.object({ addr: z.string(), len: z.number() }) })
      .transform(({ prefix }) => `${prefix.addr}/${prefix.len}`),
    z.object({ elem: z.object({ val: wordsSchema }) }).transform(({ elem }) => elem.val),
  ]),
)
const commentSchema = z.object({ elem: z.object({ comment: z.string() }) }).transform(({ elem }) => elem.comment)
const setSchema = z.object({
  family: z.string(),
  table: z.string(),
  name: z.string(),
  elem: z.array(z.unknown()).default([]),
})

/** The elements of a table's sets and maps (libnftables-json(5)). */
export function elementsOf(rules: readonly NftObject[], { family, name }: SharedTable): OwnedElement[] {
  return rules.flatMap((object) => {
    const { data } = setSchema.safeParse(object['set'] ?? object['map'])
    if (data?.family !== family || data.table !== name) return []
    return data.elem.map((raw): OwnedElement => {
      // A map's element is a pair of key and target.
      const [key, target]: unknown[] = Array.isArray(raw) ? raw : [raw]
      return {
        set: data.name,
        value: wordsSchema.safeParse(key).data ?? '',
        target: wordsSchema.safeParse(target).data ?? '',
        owner: commentSchema.safeParse(key).data ?? '',
      }
    })
  })
}

/**
 * The commands that remove the elements of the owners for which `isGone` holds; with the last element the whole table goes,
 * if something in it is ours and nothing is anybody else's. `rules` are those of `netns`, or of the host. (The kernel takes
 * 20 ms for any deletion, whatever its size.)
 */
export function removeOwned(
  table: SharedTable,
  isGone: (owner: string) => boolean,
  rules: readonly NftObject[],
  netns?: string,
): Command[] {
  const all = elementsOf(rules, table)
  const gone = all.filter(({ owner }) => isGone(owner))
  const isMarked = () => gone.length > 0 || hasOwnRule(rules, table)
  if (gone.length === all.length && isMarked() && foreignObjects(rules, table).length === 0)
    return [deleteTable(table, netns)]
  return gone.map((element) => removeElement(table, element, netns))
}

/** The command that deletes a table with its elements; none unless the table exists, bears our mark, and holds nothing else. */
export function removeShared(table: SharedTable, rules: readonly NftObject[], netns?: string): Command[] {
  return hasOwnRule(rules, table) && foreignObjects(rules, table).length === 0 ? [deleteTable(table, netns)] : []
}

/** Refuses to delete a table in which containers have elements; undefined if none has. */
export function refuseShared(table: SharedTable, rules: readonly NftObject[]): Refusal | undefined {
  const owners = elementsOf(rules, table).map(({ owner }) => owner)
  if (owners.length === 0) return undefined
  return {
    actual: `table ${table.family} ${table.name} is in use by ${[...new Set(owners)].join(', ')}`,
    fix: 'remove these containers from their network first',
  }
}

/** The command that deletes one element. */
export function removeElement({ family, name }: SharedTable, { set, value }: OwnedElement, netns?: string): Command {
  return nft(netns, 'delete', 'element', family, name, set, `{ ${value} }`)
}
