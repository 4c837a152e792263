import * as z from 'zod'
import type { NftObject } from '../state/state.ts'
import { macAddress } from './mac.ts'
import { netnsPlace, ruleInterface } from './names.ts'
import {
  deleteTable,
  foreignTable,
  hasRule,
  hasOwnRule,
  MARK_COMMENT,
  membersOf,
  type OwnTable,
  rulesIn,
  foreignObjects,
  type TableObject,
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
  resource,
} from './operation.ts'

interface Params {
  ifname: string
  mac: string
  netns?: string | undefined
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
  return rules.flatMap(({ table }) => {
    const { family, name } = membersOf(table)
    return family === 'bridge' && typeof name === 'string' && name.startsWith(PREFIX) ? [name.slice(PREFIX.length)] : []
  })
}

/** The command that deletes a port's table; none unless the table exists, bears our mark, and holds nothing else. */
export function spoofCheckRemoval(ifname: string, rules: readonly NftObject[], netns?: string): Command[] {
  const table = spoofCheckTable(ifname)
  return hasOwnRule(rules, table) && foreignObjects(rules, table).length === 0 ? [deleteTable(table, netns)] : []
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
      netns: netnsPlace.optional().describe('the namespace of the bridge and its port; the host without it'),
    })
  },
  id: (p) => idIn(p.netns, p.ifname),
  reads: (p) => ({ namespaces: namedNetns(p.netns), netns: p.netns, rules: true }),
  provides: () => [],
  needs: (p) => namedNetns(p.netns).map(resource.netns),
  tables: (p) => (p.netns === undefined ? [`bridge ${spoofCheckTable(p.ifname).name}`] : []),
  apply: ({ ifname, mac, netns }) => {
    const at = ['bridge', spoofCheckTable(ifname).name] as const
    return [
      nft(netns, 'add', 'table', ...at),
      nft(netns, 'add', 'chain', ...at, CHAIN, '{ type filter hook prerouting priority filter; policy accept; }'),
      nft(netns, 'flush', 'chain', ...at, CHAIN),
      nft(
        netns,
        'add',
        'rule',
        ...at,
        CHAIN,
        'iifname',
        `"${ifname}"`,
        'ether',
        'saddr',
        '!=',
        mac,
        'drop',
        ...MARK_COMMENT,
      ),
    ]
  },
  undo: ({ ifname, netns }, _before, now) => spoofCheckRemoval(ifname, rulesIn(netns, now), netns),
  mend: (p) => [deleteTable(spoofCheckTable(p.ifname), p.netns), ...macSpoofCheck.apply(p)],
  explain: ({ ifname, mac, netns }) => ({
    undoing: `Let ${ifname}${inNetns(netns)} send with any MAC`,
    what: `Drop what comes from ${ifname}${inNetns(netns)} with another MAC than ${mac}`,
    why: 'A container could send in the name of another one: the bridge believes any source address. The rule lets it use its own alone.',
  }),
  expected: ({ ifname, mac, netns }) =>
    `a rule drops what ${ifname}${inNetns(netns)} sends with another MAC than ${mac}`,
  judge: ({ ifname, mac, netns }, now) => {
    const blocked = missingNetns(netns, now)
    if (blocked) return blocked
    const table = spoofCheckTable(ifname)
    const rules = rulesIn(netns, now)
    if (hasRule(rules, table, CHAIN, [`"${mac}"`, '"drop"']))
      return { status: 'present', actual: `table bridge ${table.name}${inNetns(netns)} drops other MACs` }
    const foreign = foreignTable(rules, table)
    return foreign === undefined
      ? { status: 'absent', actual: `no rule drops what ${ifname}${inNetns(netns)} sends with other MACs`, before: {} }
      : { status: 'differs', actual: foreign }
  },
}
