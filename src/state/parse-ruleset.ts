import { isObject, readJsonOf, unreadable } from './json.ts'
import type { NftObject } from './state.ts'

const COMMAND = 'nft -j list ruleset'

/** Parses `nft -j list ruleset`; without a schema, as plugins that cannot use netlink read it, too. Throws CnilabError `state`. */
export function parseRuleset(json: string): NftObject[] {
  const printed = readJsonOf(COMMAND, json)
  const objects = isObject(printed) ? printed['nftables'] : undefined
  if (!Array.isArray(objects) || !objects.every(isObject)) throw unreadable(COMMAND, 'nftables: no list of objects')
  return objects.filter((object) => !('metainfo' in object))
}
