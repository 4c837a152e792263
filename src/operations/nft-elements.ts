import type { NftObject } from '../state/state.ts'
import { deleteTable, foreignObjects, hasOwnRule, membersOf, type OwnTable, textOf } from './nft-tables.ts'
import { type Command, nft, type Refusal } from './operation.ts'

/** The table families for IPv4 and IPv6. */
export type IpFamily = 'ip' | 'ip6'

/** A table that several containers share: each has elements in its sets and maps, with the owner as comment. */
export interface SharedTable extends OwnTable {
  family: IpFamily | 'bridge'
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

/** A value of nft's JSON (libnftables-json(5)) in nft's notation; undefined if it is none of those that we use. */
function wordsOf(value: unknown): string | undefined {
  if (typeof value === 'string' || typeof value === 'number') return String(value)
  const { concat, prefix, elem } = membersOf(value)
  if (Array.isArray(concat)) {
    const parts = concat.map(wordsOf)
    return parts.includes(undefined) ? undefined : parts.join(' . ')
  }
  if (elem !== undefined) return wordsOf(membersOf(elem)['val'])
  const { addr, len } = membersOf(prefix)
  return typeof addr === 'string' && typeof len === 'number' ? `${addr}/${len}` : undefined
}

/** The elements of a table's sets and maps. */
export function elementsOf(rules: readonly NftObject[], table: SharedTable): OwnedElement[] {
  return rules.flatMap((object) => {
    const { family, table: its, name, elem } = membersOf(object['set'] ?? object['map'])
    if (family !== table.family || its !== table.name || !Array.isArray(elem)) return []
    const set = textOf(name) ?? ''
    return elem.map((raw: unknown): OwnedElement => {
      // A map's element is a pair of key and target.
      const [key, target]: unknown[] = Array.isArray(raw) ? raw : [raw]
      const owner = textOf(membersOf(membersOf(key)['elem'])['comment']) ?? ''
      return { set, value: wordsOf(key) ?? '', target: wordsOf(target) ?? '', owner }
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
