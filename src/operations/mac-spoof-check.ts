import * as z from 'zod'
import { HOST, type NftObject } from '../state/state.ts'
import { macAddress, ruleInterface } from './names.ts'
import { hasTable } from './nft-elements.ts'
import type { Command, OperationKind } from './operation.ts'

interface Params {
  ifname: string
  mac: string
}

/** The table that watches a bridge's port; its family is `bridge`. */
export function spoofCheckTable(ifname: string): string {
  return `cnilab_${ifname}`
}

/** The ports that have such a table, whether they are still there or not. */
export function watchedPorts(rules: readonly NftObject[]): string[] {
  const schema = z.object({ family: z.literal('bridge'), name: z.string().startsWith(spoofCheckTable('')) })
  return rules.flatMap(({ table }) => schema.safeParse(table).data?.name.slice(spoofCheckTable('').length) ?? [])
}

/** Lets a port of a bridge send with its own MAC address alone: nft(8), family bridge. */
export const macSpoofCheck: OperationKind<'mac-spoof-check', Params> = {
  kind: 'mac-spoof-check',
  get params() {
    return z.strictObject({ ifname: ruleInterface, mac: macAddress })
  },
  id: (p) => p.ifname,
  provides: () => [],
  needs: () => [],
  tables: (p) => [`bridge ${spoofCheckTable(p.ifname)}`],
  apply: ({ ifname, mac }) => {
    const nft = (...argv: string[]): Command => ({ tool: 'nft', argv })
    const at = ['bridge', spoofCheckTable(ifname)] as const
    return [
      nft('add', 'table', ...at),
      nft('add', 'chain', ...at, 'prerouting', '{ type filter hook prerouting priority filter; policy accept; }'),
      nft('flush', 'chain', ...at, 'prerouting'),
      nft('add', 'rule', ...at, 'prerouting', 'iifname', `"${ifname}"`, 'ether', 'saddr', '!=', mac, 'drop'),
    ]
  },
  undo: ({ ifname }, _before, now) =>
    hasTable(now.get(HOST)?.rules ?? [], 'bridge', spoofCheckTable(ifname))
      ? [{ tool: 'nft', argv: ['delete', 'table', 'bridge', spoofCheckTable(ifname)] }]
      : [],
  explain: ({ ifname, mac }) => ({
    what: `Drop what comes from ${ifname} with another MAC than ${mac}`,
    why: 'A container could send in the name of another one: the bridge believes any source address. The rule lets it use its own alone.',
  }),
  expected: ({ ifname, mac }) => `a rule drops what ${ifname} sends with another MAC than ${mac}`,
  judge: ({ ifname, mac }, now) => {
    const table = spoofCheckTable(ifname)
    const schema = z.object({ family: z.literal('bridge'), table: z.literal(table), expr: z.array(z.unknown()) })
    const found = (now.get(HOST)?.rules ?? []).some(({ rule }) => {
      const { data } = schema.safeParse(rule)
      return data && JSON.stringify(data.expr).includes(`"${mac}"`) && JSON.stringify(data.expr).includes('"drop"')
    })
    return found
      ? { status: 'present', actual: `table bridge ${table} drops other MACs` }
      : { status: 'absent', actual: `no rule drops what ${ifname} sends with other MACs`, before: {} }
  },
}
