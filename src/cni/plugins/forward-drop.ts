import { isInstalled } from '../../kernel/environment.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import { isIpv6 } from '../../ip-arithmetic.ts'
import { FIREWALL } from '../../operations/firewall.ts'
import { membersOf } from '../../operations/nft-tables.ts'
import { MARK_ALIAS } from '../../operations/operation.ts'
import { forwardChains, type ForwardChain, type ForwardedPacket } from '../../plan/forward-filter.ts'
import { withoutPrefix } from '../../plan/container.ts'
import { HOST, type State } from '../../state/state.ts'
import { ownKernel } from '../host.ts'
import { CODE, CniError } from '../protocol/error.ts'
import type { Call, PluginType } from '../protocol/plugin-type.ts'
import { ownResult } from '../protocol/result.ts'
import { BETWEEN } from './check-plan.ts'
import { readToRemove } from './remove.ts'

/** A container's address, and the host's interface towards it. */
export interface Reached {
  address: string
  ifname: string | undefined
}

/** What nft prints of the host's rules, those of iptables included; '' if it is not installed. */
export async function printedRules(kernel: Kernel): Promise<string> {
  if (kernel.host.kind === 'machine' && !isInstalled('nft')) return ''
  const { code, stdout } = await kernel.probe(['nft', 'list', 'ruleset'])
  return code === 0 ? stdout : ''
}

/** What a container sends out, and the answer to it. */
function both({ address, ifname }: Reached, out: string | undefined): ForwardedPacket[] {
  return [
    { from: ifname, to: out, source: address, destination: undefined, state: 'new' },
    {
      from: out,
      to: ifname,
      source: isIpv6(address) ? '2001:db8::1' : '192.0.2.1',
      destination: address,
      state: 'established',
    },
  ]
}

/** The interface by which the host's default route leaves. */
function wayOut(now: State, address: string): string | undefined {
  const family = isIpv6(address) ? 'inet6' : 'inet'
  return now.get(HOST)?.routes.find((route) => route.family === family && route.dst === 'default')?.dev
}

/** The chains of others that may drop what a container sends or gets, whatever our own rules in them say. */
export function droppingChains(ruleset: string, reached: Reached): ForwardChain[] {
  const settings = { without: [FIREWALL], ignoring: [`comment "${MARK_ALIAS}"`] }
  const all = both(reached, undefined).flatMap((packet) =>
    forwardChains(ruleset, packet, settings).filter(({ drops }) => drops !== 'never'),
  )
  const key = ({ family, table, chain }: ForwardChain) => `${family} ${table} ${chain}`
  return [...new Map(all.map((one) => [key(one), one])).values()]
}

/** The chain that certainly drops what a container sends to the outside, or the answer, in words; undefined if there is none. */
function dropOf(ruleset: string, now: State, reached: Reached): string | undefined {
  const found = both(reached, wayOut(now, reached.address))
    .flatMap((packet) => forwardChains(ruleset, packet))
    .find(({ drops }) => drops === 'always')
  return (
    found &&
    `what ${reached.address} sends out, or the answer, is dropped by chain ${found.chain} of table ${found.family} ${found.table}: ${found.what ?? 'policy drop'}`
  )
}

/** Whether there is a chain that filters what the host forwards and is not ours: then it is worth a look. */
function hasForeignFilter(now: State): boolean {
  return (now.get(HOST)?.rules ?? []).some(({ chain }) => {
    const { hook, table, family } = membersOf(chain)
    return hook === 'forward' && family !== 'bridge' && table !== FIREWALL
  })
}

/** What rules of others certainly drop of what containers send out, or get as an answer, in words. */
export async function dropsOf(kernel: Kernel, all: readonly Reached[]): Promise<string[]> {
  if (all.length === 0) return []
  const rules = await readToRemove(kernel, { namespaces: new Set(), links: [], rules: new Set([HOST]) })
  if (!hasForeignFilter(rules)) return []
  const [ruleset, now] = [await printedRules(kernel), await kernel.read({ namespaces: new Set() })]
  return all.flatMap((one) => dropOf(ruleset, now, one) ?? [])
}

/** What to do about it. */
export const LET_THROUGH =
  'every table has a say in what the host forwards: put a plugin of type firewall after this one into the list, which lets the containers of the network through, or accept them in that chain'

/**
 * The plugin, whose CHECK also sees what rules of others drop; `ifnameOf` is the host's interface towards a container, undefined
 * if its packets are not meant to leave the host.
 */
export function seeingDrops(type: PluginType, ifnameOf: (call: Call) => string | undefined): PluginType {
  return {
    ...type,
    check: async (call) => {
      await type.check(call)
      const ifname = ifnameOf(call)
      const addresses = ifname === undefined ? [] : ownResult(call).ips.map(({ address }) => withoutPrefix(address))
      const drops = await dropsOf(
        await ownKernel(),
        addresses.map((address) => ({ address, ifname })),
      )
      if (drops.length > 0) throw new CniError(CODE.differs, drops.join(BETWEEN), LET_THROUGH)
    },
  }
}
