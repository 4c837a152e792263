import * as z from 'zod'
import { HOST, type NftObject } from '../state/state.ts'
import { macAddress } from './mac.ts'
import { ruleInterface } from './names.ts'
import {
  deleteTable,
  foreignTable,
  hasRule,
  hasOwnRule,
  MARK_COMMENT,
  type OwnTable,
  foreignObjects,
  type TableObject,
} from './nft-tables.ts'
import { type Command, MARK_ALIAS, type OperationKind } from './operation.ts'

interface Params {
  ifname: string
  mac: string
}

/** The table that guards a bridge port. */
export function spoofCheckTable(ifname: string): OwnTable {
  return { family: 'bridge', name: `${PREFIX}${ifname}`, has }
}

const PREFIX = 'cnilab_'
const CHAIN = 'prerouting'

function has({ kind, name, hook, comment }: TableObject): boolean {
  return name === CHAIN && (kind === 'rule' ? comment === MARK_ALIAS : kind === 'chain' && hook === CHAIN)
}

/** The ports that have such a table, even if the port itself is gone. */
export function watchedPorts(rules: readonly NftObject[]): string[] {
  const schema = z.object({ family: z.literal('bridge'), name: z.string().startsWith(PREFIX) })
  return rules.flatMap(({ table }) => schema.safeParse(table).data?.name.slice(PREFIX.length) ?? [])
}

/** The command that deletes a port's table; none unless the table exists, bears our mark, and holds nothing else. */
export function spoofCheckRemoval(ifname: string, rules: readonly NftObject[]): Command[] {
  const table = spoofCheckTable(ifname)
  return hasOwnRule(rules, table) && foreignObjects(rules, table).length === 0 ? [deleteTable(table)] : []
}

/** Lets a bridge port send only with its own MAC address: nft(8), family bridge. */
export const macSpoofCheck: OperationKind<'mac-spoof-check', Params> = {
  kind: 'mac-spoof-check',
  title: 'a port of a bridge may send with one MAC address only',
  step: () => 'attach-bridge',
  get params() {
    return z.strictObject({
      ifname: ruleInterface.describe('the port of a bridge'),
      mac: macAddress.describe('the only MAC address that it may send with'),
    })
  },
  id: (p) => p.ifname,
  reads: () => ({ namespaces: [], rules: true }),
  provides: () => [],
  needs: () => [],
  tables: (p) => [`bridge ${spoofCheckTable(p.ifname).name}`],
  apply: ({ ifname, mac }) => {
    const nft = (...argv: string[]): Command => ({ tool: 'nft', argv })
    const at = ['bridge', spoofCheckTable(ifname).name] as const
    return [
      nft('add', 'table', ...at),
      nft('add', 'chain', ...at, CHAIN, '{ type filter hook prerouting priority filter; policy accept; }'),
      nft('flush', 'chain', ...at, CHAIN),
      nft('add', 'rule', ...at, CHAIN, 'iifname', `"${ifname}"`, 'ether', 'saddr', '!=', mac, 'drop', ...MARK_COMMENT),
    ]
  },
  undo: ({ ifname }, _before, now) => spoofCheckRemoval(ifname, now.get(HOST)?.rules ?? []),
  mend: (p) => [deleteTable(spoofCheckTable(p.ifname)), ...macSpoofCheck.apply(p)],
  explain: ({ ifname, mac }) => ({
    undoing: `Let ${ifname} send with any MAC`,
    what: `Drop what comes from ${ifname} with another MAC than ${mac}`,
    why: 'A container could send in the name of another one: the bridge believes any source address. The rule lets it use only its own.',
  }),
  expected: ({ ifname, mac }) => `a rule drops what ${ifname} sends with another MAC than ${mac}`,
  judge: ({ ifname, mac }, now) => {
    const table = spoofCheckTable(ifname)
    const rules = now.get(HOST)?.rules ?? []
    if (hasRule(rules, table, CHAIN, [`"${mac}"`, '"drop"']))
      return { status: 'present', actual: `table bridge ${table.name} drops other MACs` }
    const foreign = foreignTable(rules, table)
    return foreign === undefined
      ? { status: 'absent', actual: `no rule drops what ${ifname} sends with other MACs`, before: {} }
      : { status: 'differs', actual: foreign }
  },
}
