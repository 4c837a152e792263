import * as z from 'zod'
import type { NftObject } from '../state/state.ts'
import type { Command } from './operation.ts'

/** The families of tables that tell IPv4 from IPv6. */
export type IpFamily = 'ip' | 'ip6'

/** A table of nftables that several containers share: each has elements in its sets and maps, with the owner as comment. */
export interface SharedTable {
  family: IpFamily
  name: string
}

/**
 * A container's element of a set or a map: its value in nft's own words, what a map leads to from there (of a set ''),
 * and its owner, '' where it has none.
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
      // An element of a map is a pair of what it is and what it leads to.
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

/** Whether the table is there. */
export function hasTable(rules: readonly NftObject[], family: string, name: string): boolean {
  const schema = z.object({ family: z.literal(family), name: z.literal(name) })
  return rules.some(({ table }) => schema.safeParse(table).success)
}

/** Whether a chain of the table has a rule whose expressions hold all of these words of JSON. */
export function hasRule(
  rules: readonly NftObject[],
  { family, name }: SharedTable,
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

/**
 * Commands that take owners' elements out, and the table with the last of all. None if nothing is there. (The kernel
 * takes 20 ms for it, as for every deletion, whatever the size.)
 */
export function removeOwned(
  table: SharedTable,
  isGone: (owner: string) => boolean,
  rules: readonly NftObject[],
): Command[] {
  const { family, name } = table
  if (!hasTable(rules, family, name)) return []
  const all = elementsOf(rules, table)
  const gone = all.filter(({ owner }) => isGone(owner))
  if (gone.length === all.length) return [{ tool: 'nft', argv: ['delete', 'table', family, name] }]
  return gone.map((element) => removeElement(table, element))
}

/** The command that takes one element out. */
export function removeElement({ family, name }: SharedTable, { set, value }: OwnedElement): Command {
  return { tool: 'nft', argv: ['delete', 'element', family, name, set, `{ ${value} }`] }
}
