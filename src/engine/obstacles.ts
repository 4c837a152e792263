import * as z from 'zod'
import type { Kernel } from '../kernel/kernel.ts'
import { inNetns, ip, MARK_ALIAS, nft, whereIs } from '../operations/operation.ts'
import type { Correction } from '../plan/cables.ts'
import { readJson } from '../state/json.ts'
import { HOST, INTERNET, type State } from '../state/state.ts'
import { otherEnd } from '../state/topology.ts'
import { isOursToChange } from './mending.ts'

/** What may keep packets from passing although all operations are done: what a learner may change, and rules of others. */
export interface Obstacles {
  own: Correction[]
  /** What was learned of neighbours on the machine, which may be out of date; in a sandbox, checks have it renewed. */
  learned: Correction[]
  foreign: Correction[]
}

/** Looks in all namespaces for what keeps packets from passing, and is in no plan. On the machine, only what is ours counts as `own`. */
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
        own: [...fixedNeighbours(neighbours.stdout, netns), ...waitingBridges(bridges.stdout, netns)],
        learned: kernel.host.kind === 'machine' ? learnedNeighbours(neighbours.stdout, netns) : [],
        foreign: foreignRules(rules.stdout, netns),
      }
    }),
  )
  const isOurs = ({ commands }: Correction) => isOursToChange(kernel.host, commands, now)
  return {
    own: [...unequalEnds(now), ...found.flatMap(({ own }) => own)].filter(isOurs),
    learned: found.flatMap(({ learned }) => learned).filter(isOurs),
    foreign: found.flatMap(({ foreign }) => foreign),
  }
}

/** The usual size of the largest packet, in bytes. */
const USUAL_MTU = 1500

/** Cables whose ends do not take packets of the same size: the larger ones are lost, without a word. */
function unequalEnds(now: State): Correction[] {
  return [...now].flatMap(([place, namespace]) =>
    (namespace?.links ?? []).flatMap((link): Correction[] => {
      const far = link.kind === 'veth' && place !== INTERNET ? otherEnd(now, { netns: place, link }) : undefined
      if (!far || far.link.mtu === link.mtu) return []
      const mtu = far.netns === INTERNET ? far.link.mtu : USUAL_MTU
      if (link.mtu === mtu) return []
      const netns = place === HOST ? undefined : place
      return [
        {
          wrong: `${link.name}${inNetns(netns)} has an MTU of ${link.mtu}, and the other end of its cable, ${far.link.name}${inNetns(far.netns === HOST ? undefined : far.netns)}, one of ${far.link.mtu}`,
          commands: [ip(netns, 'link', 'set', 'dev', link.name, 'mtu', String(mtu))],
        },
      ]
    }),
  )
}

const neighboursSchema = z.array(
  z.looseObject({ dst: z.string(), dev: z.string().default(''), state: z.array(z.string()).default([]) }),
)

const isFixed = ({ state }: { state: readonly string[] }) => state.includes('PERMANENT')
const readNeighbours = (json: string) => readJson('ip -j neighbour show', json || '[]', neighboursSchema)

/** Neighbours that were entered by hand. */
function fixedNeighbours(json: string, netns: string | undefined): Correction[] {
  return readNeighbours(json)
    .filter(isFixed)
    .map(({ dst, dev }) => ({
      wrong: `the MAC address of ${dst} was entered by hand${inNetns(netns)}`,
      commands: [ip(netns, 'neighbour', 'delete', dst, 'dev', dev)],
    }))
}

/** Neighbours that were learned: of a cable that was made anew, the old ones are wrong. */
function learnedNeighbours(json: string, netns: string | undefined): Correction[] {
  if (readNeighbours(json).every(isFixed)) return []
  const who = netns === undefined ? 'by the host' : `in namespace ${netns}`
  return [
    {
      wrong: `MAC addresses that were learned ${who} may be out of date`,
      commands: [ip(netns, 'neighbour', 'flush', 'all')],
    },
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
      // Ports that wait already go on waiting, unless the bridge begins anew.
      commands: [
        ip(netns, 'link', 'set', 'dev', ifname, 'type', 'bridge', 'stp_state', '0'),
        ip(netns, 'link', 'set', 'dev', ifname, 'down'),
        ip(netns, 'link', 'set', 'dev', ifname, 'up'),
      ],
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
