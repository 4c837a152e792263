import { doUnrecorded, undoOnError } from '../../engine/do-unrecorded.ts'
import { runRemoval } from '../../engine/run-removal.ts'
import { isIpv6 } from '../../ip-arithmetic.ts'
import { isInstalled } from '../../kernel/environment.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import type { Scope } from '../../kernel/snapshot.ts'
import { FAMILIES, firewallTable, hasMembers, removeAccepts, removeMembers } from '../../operations/firewall.ts'
import { membersOf } from '../../operations/nft-tables.ts'
import { bindOperation, type Operation } from '../../operations/registry.ts'
import { withoutPrefix } from '../../plan/container.ts'
import { scopeOf } from '../../plan/scope.ts'
import { HOST, type State } from '../../state/state.ts'
import { lockMachine, ownKernel, refuseMisread } from '../host.ts'
import { CODE, CniError } from '../protocol/error.ts'
import type { Call, PluginType } from '../protocol/plugin-type.ts'
import { ownResult } from '../protocol/result.ts'
import { hostSideOf, previousOf, routedTo } from './chained.ts'
import { checkPlan } from './check-plan.ts'
import { droppingChains, printedRules } from './forward-drop.ts'
import { type FirewallConfig, firewallConfig } from './firewall-config.ts'
import { ownerOf, ownersOf } from './identity.ts'
import { readToRemove } from './remove.ts'

/** All rules of the host, as others' are looked at, too. */
const RULES = { namespaces: new Set<string>(), links: [], rules: new Set([HOST]) } satisfies Scope

/** Lets a container's packets through the host's firewall. Runs after the plugin that made the container's interface. */
export const firewall: PluginType = {
  add: async (call, deliver) => {
    refuseMisread(call.ifname)
    const config = firewallConfig(call)
    const result = previousOf(call)
    const kernel = await ownKernel()
    const { release } = await lockMachine()
    try {
      const now = await kernel.read({ ...RULES, links: hostSideOf(call) })
      const bound = (await firewallPlan(call, config, kernel, now)).map(bindOperation)
      const undo = await doUnrecorded(kernel, bound, now, undefined, (operation, state) => operation.leftover(state))
      await undoOnError(() => deliver?.(result), undo)
    } finally {
      release()
    }
    return result
  },
  del: (call) => removeFrom((owner) => owner === ownerOf(call)),
  check: async (call) => {
    const config = firewallConfig(call)
    previousOf(call)
    const kernel = await ownKernel()
    const now = await kernel.read({ ...RULES, links: hostSideOf(call) })
    await checkPlan(kernel, await firewallPlan(call, config, kernel, now), scopeOf)
  },
  gc: ({ network }, valid) => {
    const owners = new Set(valid.map((one) => ownerOf({ network, ...one })))
    return removeFrom((owner) => owner.startsWith(ownersOf(network)) && !owners.has(owner))
  },
  status: (call) => {
    firewallConfig(call)
    if (isInstalled('nft')) return Promise.resolve()
    throw new CniError(
      CODE.unavailable,
      'not installed on this machine: nft',
      'it makes the rules that let containers through; on Debian it is in the package nftables',
    )
  },
}

/** The plan for this call, with a rule in each chain of others that may drop what the container sends or gets. */
async function firewallPlan(
  call: Call,
  { ingress, first }: FirewallConfig,
  kernel: Kernel,
  now: State,
): Promise<Operation[]> {
  const addresses = [...new Set(ownResult(call).ips.map(({ address }) => withoutPrefix(address)))]
  const ifname = routedTo(call, now)
  if (ingress === 'same-bridge' && ifname === undefined)
    throw new CniError(
      CODE.config,
      'network configuration: "ingressPolicy": "same-bridge" needs a bridge, and prevResult names no interface of the host',
      'put the plugin after one of type bridge',
    )
  const families = new Set(addresses.map((address) => (isIpv6(address) ? 'ip6' : 'ip')))
  const ruleset = addresses.length === 0 ? '' : await printedRules(kernel)
  const chains = addresses.flatMap((address) => droppingChains(ruleset, { address, ifname }))
  const accepts = new Map(
    chains.flatMap(({ family, table, chain }): [string, Operation][] => {
      if (family !== 'ip' && family !== 'ip6' && family !== 'inet') return []
      const there = first.filter((name) => name !== chain && hasChain(now, family, table, name))
      return [
        [`${family} ${table} ${chain}`, { kind: 'forward-accept', params: { family, table, chain, first: there } }],
      ]
    }),
  )
  return [
    ...[...families, ...(ingress === 'isolated' && addresses.length > 0 ? (['bridge'] as const) : [])].map(
      (family): Operation => ({ kind: 'firewall', params: { family } }),
    ),
    ...accepts.values(),
    ...addresses.map((address): Operation => ({
      kind: 'firewall-member',
      params: { address, ingress, bridge: ingress === 'same-bridge' ? ifname : undefined, owner: ownerOf(call) },
    })),
  ]
}

function hasChain(now: State, family: string, table: string, name: string): boolean {
  return (now.get(HOST)?.rules ?? []).some(({ chain }) => {
    const its = membersOf(chain)
    return its['family'] === family && its['table'] === table && its['name'] === name
  })
}

/** Removes the containers of the owners for which `isGone` holds; with the last one our tables, and our rules in those of others. */
async function removeFrom(isGone: (owner: string) => boolean): Promise<void> {
  const kernel = await ownKernel()
  const { release } = await lockMachine()
  try {
    await runRemoval(kernel, async () => {
      const rules = (await readToRemove(kernel, RULES)).get(HOST)?.rules ?? []
      return [
        ...(hasMembers(rules, isGone) ? [] : removeAccepts(rules)),
        ...FAMILIES.flatMap((family) => removeMembers(firewallTable(family), isGone, rules)),
      ]
    })
  } finally {
    release()
  }
}
