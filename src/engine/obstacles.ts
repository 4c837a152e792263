import * as z from 'zod'
import type { Kernel } from '../kernel/kernel.ts'
import { inNetns, ip, MARK_ALIAS, nft, whereIs } from '../operations/operation.ts'
import type { Correction } from '../plan/cables.ts'
import { readJson } from '../state/json.ts'
import { HOST, INTERNET, type State } from '../state/state.ts'
import { isOursToChange } from './mending.ts'

/** What may keep packets from passing although all operations are done: what a learner may change, and rules of others. */
export interface Obstacles {
  own: Correction[]
  foreign: Correction[]
}

/** Looks in all namespaces for what keeps packets from passing, and is in no plan. On the machine `own` is only what is ours. */
export async function findObstacles(kernel: Kernel, now: State): Promise<Obstacles> {
  const places = [...now.keys()].filter((name) => name !== INTERNET)
  const found = await Promise.all(
    places.map(async (place) => {
      const netns = place === HOST ? undefined : place
      const [neighbours, bridges, rules] = await Promise.all([
        kernel.probe(['ip', '-j', 'neighbour', 'show'], netns),
        kernel.probe(['ip', '-j', '-d', 'link', 'show', 'type', 'bridge'], netns),
        kernel.probe(['nft', '-a', 'list', 'ruleset'], netns),
      ])
      return {
        own: [...staleNeighbours(neighbours.stdout, netns), ...waitingBridges(bridges.stdout, netns)],
        foreign: foreignRules(rules.stdout, netns),
      }
    }),
  )
  const own = found.flatMap((one) => one.own).filter(({ commands }) => isOursToChange(kernel.host, commands, now))
  return { own, foreign: found.flatMap(({ foreign }) => foreign) }
}

const neighboursSchema = z.array(
  z.looseObject({ dst: z.string(), dev: z.string().default(''), state: z.array(z.string()).default([]) }),
)

/** Neighbours that were entered by hand, and those that were learned: of a cable that was made anew, the old ones are wrong. */
function staleNeighbours(json: string, netns: string | undefined): Correction[] {
  const all = readJson('ip -j neighbour show', json || '[]', neighboursSchema)
  const [fixed, learned] = [true, false].map((wanted) =>
    all.filter(({ state }) => state.includes('PERMANENT') === wanted),
  )
  return [
    ...(fixed ?? []).map(({ dst, dev }) => ({
      wrong: `the MAC address of ${dst} was entered by hand${inNetns(netns)}`,
      commands: [ip(netns, 'neighbour', 'delete', dst, 'dev', dev)],
    })),
    ...((learned ?? []).length === 0
      ? []
      : [
          {
            wrong: `MAC addresses that were learned${netns === undefined ? ' by the host' : inNetns(netns)} may be out of date`,
            commands: [ip(netns, 'neighbour', 'flush', 'all')],
          },
        ]),
  ]
}

const bridgesSchema = z.array(
  z.looseObject({
    ifname: z.string(),
    linkinfo: z.looseObject({ info_data: z.looseObject({ stp_state: z.number().optional() }).optional() }).optional(),
  }),
)

/** Bridges with the spanning tree protocol: for half a minute a new port of such a one forwards nothing. */
function waitingBridges(json: string, netns: string | undefined): Correction[] {
  return readJson('ip -j -d link show type bridge', json || '[]', bridgesSchema)
    .filter(({ linkinfo }) => linkinfo?.info_data?.stp_state === 1)
    .map(({ ifname }) => ({
      wrong: `${ifname}${inNetns(netns)} runs the spanning tree protocol, and its ports forward nothing for half a minute`,
      commands: [ip(netns, 'link', 'set', 'dev', ifname, 'type', 'bridge', 'stp_state', '0')],
    }))
}

/** Rules and policies that drop or reject packets, as `nft -a list ruleset` prints them, but for our own. */
function foreignRules(ruleset: string, netns: string | undefined): Correction[] {
  let [table, chain]: [string[], string] = [[], '']
  const found: Correction[] = []
  const add = (what: string, ...argv: string[]) =>
    found.push({
      wrong: `${whereIs(netns)}, table ${table.join(' ')}, chain ${chain}: ${what}`,
      commands: [nft(netns, ...argv)],
    })
  for (const line of ruleset.split('\n').map((one) => one.trim())) {
    const [, kind, name] = /^(table|chain) (.+?) \{ #/.exec(line) ?? []
    if (kind === 'table' && name !== undefined) table = name.split(' ')
    else if (kind === 'chain' && name !== undefined) chain = name
    const [, rule = '', handle] = /^(.*\S) # handle (\d+)$/.exec(line) ?? []
    const isVerdict = /(?:^| )(?:drop|reject)(?: |$)/.test(rule.replaceAll(/"[^"]*"/g, ''))
    if (handle !== undefined && isVerdict && !rule.includes(MARK_ALIAS))
      add(rule, 'delete', 'rule', ...table, chain, 'handle', handle)
    else if (/^type .*; policy drop;$/.test(line))
      add('policy drop', 'add', 'chain', ...table, chain, '{ policy accept; }')
  }
  return found
}
