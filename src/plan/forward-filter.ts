import { contains, isIpv6 } from '../ip-arithmetic.ts'

/** A packet that the host is to forward. */
export interface ForwardedPacket {
  /** The interfaces by which it comes and leaves; undefined if that is not known. */
  from: string | undefined
  to: string | undefined
  source: string
  /** Undefined for any address of the outside. */
  destination: string | undefined
  /** What connection tracking says of it. */
  state: 'new' | 'established'
}

/** A chain that the kernel calls for what is forwarded, and what becomes of a packet in it. */
export interface ForwardChain {
  family: string
  table: string
  chain: string
  /** `always` and `never` are certain; `perhaps` is where a rule looks at something that is not known here. */
  drops: 'always' | 'perhaps' | 'never'
  /** What drops it, in words: a policy or a rule. */
  what: string | undefined
}

interface Chain {
  policy: 'accept' | 'drop' | undefined
  isForward: boolean
  rules: string[]
}

/**
 * What becomes of a packet in each chain that filters what a host forwards, from what `nft list ruleset` prints, in which
 * rules of iptables are, too. Leaves out tables named in `without`, and rules with one of the texts in `ignoring`.
 */
export function forwardChains(
  ruleset: string,
  packet: ForwardedPacket,
  { without = [], ignoring = [] }: { without?: readonly string[]; ignoring?: readonly string[] } = {},
): ForwardChain[] {
  const family = isIpv6(packet.source) ? 'ip6' : 'ip'
  return [...readTables(ruleset)].flatMap(([name, chains]) => {
    const [its = '', table = ''] = name.split(' ')
    if ((its !== family && its !== 'inet') || without.includes(table)) return []
    const kept = new Map(
      [...chains].map(([key, chain]) => [
        key,
        { ...chain, rules: chain.rules.filter((rule) => !ignoring.some((text) => rule.includes(text))) },
      ]),
    )
    return [...kept].flatMap(([chain, { isForward, policy }]) => {
      if (!isForward) return []
      const { ends, what } = walk(kept, chain, packet, [])
      const isPolicy = ends.has('through') && policy === 'drop'
      const mayDrop = ends.has('drop') || isPolicy
      const mayPass = ends.has('accept') || (ends.has('through') && policy !== 'drop')
      return [
        {
          family: its,
          table,
          chain,
          drops: mayDrop ? (mayPass ? 'perhaps' : 'always') : 'never',
          what: mayDrop ? (what ?? 'policy drop') : undefined,
        } satisfies ForwardChain,
      ]
    })
  })
}

/** The chains of each table, by their names. */
function readTables(ruleset: string): Map<string, Map<string, Chain>> {
  const tables = new Map<string, Map<string, Chain>>()
  let chains = new Map<string, Chain>()
  let chain: Chain | undefined
  for (const line of ruleset.split('\n').map((one) => one.trim())) {
    const [, kind, name = ''] = /^(table|chain|set|map|flowtable|ct \w+|counter|quota|limit) (.+?) \{/.exec(line) ?? []
    if (kind === 'table') {
      chains = new Map()
      tables.set(name, chains)
      chain = undefined
    } else if (kind === 'chain') {
      chain = { policy: undefined, isForward: false, rules: [] }
      chains.set(name, chain)
    } else if (kind !== undefined || line === '}') chain = undefined
    else if (chain && line.startsWith('type ')) {
      chain.isForward = / hook forward /.test(line)
      chain.policy = / policy drop;/.test(line) ? 'drop' : 'accept'
    } else if (chain && line !== '' && !line.startsWith('#')) chain.rules.push(line)
  }
  return tables
}

/** How a chain may end for a packet. */
type End = 'accept' | 'drop' | 'through'

/** All ways in which a chain may end, and the first rule that may drop. */
function walk(
  chains: ReadonlyMap<string, Chain>,
  name: string,
  packet: ForwardedPacket,
  callers: readonly string[],
): { ends: Set<End>; what: string | undefined } {
  const ends = new Set<End>()
  let what: string | undefined
  for (const rule of callers.includes(name) ? [] : (chains.get(name)?.rules ?? [])) {
    const { matches, verdict, target } = readRule(rule, packet)
    if (matches === 'no' || verdict === 'none') continue
    if (verdict === 'drop') what ??= rule
    if (verdict !== 'jump' && verdict !== 'goto') {
      ends.add(verdict === 'return' ? 'through' : verdict)
      if (matches === 'yes') return { ends, what }
      continue
    }
    const inner = walk(chains, target, packet, [...callers, name])
    what ??= inner.what
    const goesOn = verdict === 'jump' && inner.ends.has('through')
    for (const end of inner.ends) if (end !== 'through' || verdict === 'goto') ends.add(end)
    if (matches === 'yes' && !goesOn) return { ends, what }
  }
  ends.add('through')
  return { ends, what }
}

interface ReadRule {
  matches: Match
  verdict: 'accept' | 'drop' | 'return' | 'jump' | 'goto' | 'none'
  target: string
}

type Match = 'yes' | 'no' | 'perhaps'

/** What a rule does, as far as its words are known. What is not known may match or not. */
function readRule(rule: string, packet: ForwardedPacket): ReadRule {
  const words = rule.match(/"[^"]*"|\{[^}]*\}|[^\s{}"]+/g) ?? []
  let matches: Match = 'yes'
  const and = (match: Match) => {
    if (match === 'no') matches = 'no'
    else if (match === 'perhaps' && matches === 'yes') matches = 'perhaps'
  }
  for (let at = 0; at < words.length;) {
    const [one = '', two = ''] = words.slice(at)
    // From here on there are no more matches.
    if (/^(accept|drop|return)$/.test(one)) return { matches, verdict: verdictOf(one), target: '' }
    if (one === 'reject') return { matches, verdict: 'drop', target: '' }
    if (one === 'jump' || one === 'goto') return { matches, verdict: one, target: two }
    if (one === 'counter') at += two === 'packets' ? 5 : 1
    else if (one === 'comment') at += 2
    else if (one === 'log') at += 1
    else if (/^(prefix|level|flags|group)$/.test(one)) at += 2
    else if (one === 'meta' && /^[io]if/.test(two)) at += 1
    else {
      const isPair = /^(ip6?|ct)$/.test(one)
      const key = isPair ? `${one} ${two}` : one
      if (!KNOWN.test(key)) {
        and('perhaps')
        at += 1
        continue
      }
      const after = at + (isPair ? 2 : 1)
      const hasSign = words[after] === '!=' || words[after] === '=='
      const value = words[after + (hasSign ? 1 : 0)] ?? ''
      if (value === 'vmap') {
        const chosen = chosenFrom(words[after + 1] ?? '', key, packet)
        and(chosen.matches)
        return { ...chosen, matches }
      }
      const match = matchOf(key, value, packet)
      and(match === 'perhaps' || words[after] !== '!=' ? match : match === 'yes' ? 'no' : 'yes')
      at = after + (hasSign ? 2 : 1)
    }
  }
  return { matches, verdict: 'none', target: '' }
}

/** What is known of a packet. */
const KNOWN = /^([io]if(name)?|ip6? [sd]addr|ct state)$/

/** What `{ established : accept, invalid : drop }` chooses. */
function chosenFrom(map: string, key: string, packet: ForwardedPacket): ReadRule {
  const entries = map.replaceAll(/[{}]/g, '').split(',')
  const matching = entries.flatMap((entry): ReadRule[] => {
    const [, value = '', verdict = '', target = ''] = /^\s*(.*\S) : (\w+) ?(\S*)/.exec(entry) ?? []
    const matches = matchOf(key, value, packet)
    if (matches === 'no') return []
    const isJump = verdict === 'jump' || verdict === 'goto'
    return [{ matches, verdict: isJump ? verdict : verdictOf(verdict), target }]
  })
  return (
    matching.find(({ matches }) => matches === 'yes') ?? matching[0] ?? { matches: 'no', verdict: 'none', target: '' }
  )
}

function verdictOf(word: string): 'accept' | 'drop' | 'return' {
  return word === 'accept' || word === 'drop' ? word : 'return'
}

/** Whether a packet has one of some values; `perhaps` for a key that is not known here. */
function matchOf(key: string, value: string, packet: ForwardedPacket): Match {
  const values = value
    .replaceAll(/[{}"]/g, '')
    .split(',')
    .map((one) => one.trim())
  const { from, to, source, destination, state } = packet
  const family = isIpv6(source) ? 'ip6' : 'ip'
  switch (key) {
    case 'iifname':
    case 'iif':
      return isNamed(from, values)
    case 'oifname':
    case 'oif':
      return isNamed(to, values)
    case `${family} saddr`:
      return isWithin(source, values)
    case `${family} daddr`:
      return destination === undefined ? 'perhaps' : isWithin(destination, values)
    case 'ct state':
      return values.includes(state) ? 'yes' : 'no'
    default:
      return 'no' // of the other family
  }
}

/** A name that ends in `*` stands for all that begin so. */
function isNamed(ifname: string | undefined, values: readonly string[]): Match {
  if (ifname === undefined) return 'perhaps'
  const isOne = (value: string) => (value.endsWith('*') ? ifname.startsWith(value.slice(0, -1)) : ifname === value)
  return values.some((value) => value.startsWith('@')) ? 'perhaps' : values.some(isOne) ? 'yes' : 'no'
}

function isWithin(address: string, values: readonly string[]): Match {
  if (values.some((value) => !/^[\da-f:][\da-f.:]*(\/\d+)?$/.test(value))) return 'perhaps'
  return values.some((value) => (value.includes('/') ? contains(value, address) : value === address)) ? 'yes' : 'no'
}
