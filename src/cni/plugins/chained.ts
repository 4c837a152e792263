import { subnetOf } from '../../ip-arithmetic.ts'
import { findLink, type Link, type State } from '../../state/state.ts'
import { CODE, CniError } from '../protocol/error.ts'
import type { Call } from '../protocol/plugin-type.ts'
import { ownResult, type Result } from '../protocol/result.ts'

/** The result of the plugins before this one. Throws CniError `config` if there is none. */
export function previousOf({ prevResult, config }: Call): Result {
  if (prevResult) return prevResult
  throw new CniError(
    CODE.config,
    `there is no prevResult: ${String(config['type'])} must be called after another plugin`,
    'put it into the "plugins" of a list (.conflist), after the plugin that creates the interface',
  )
}

/** The host's interfaces that earlier plugins made: a bridge, and the host's end of a cable. */
export function hostSideOf({ prevResult }: Call): string[] {
  return (prevResult?.interfaces ?? []).filter(({ sandbox = '' }) => sandbox === '').map(({ name }) => name)
}

/**
 * The one of them that packets to the container are routed to: not a bridge port; and of a bridge and its VLAN interface, the
 * one with an address in the container's subnet.
 */
export function routedTo(call: Call, now: State): string | undefined {
  const links = hostSideOf(call).flatMap((name) => findLink(now, name) ?? [])
  const subnets = new Set(ownResult(call).ips.map(({ address }) => subnetOf(address)))
  const isGateway = ({ addresses }: Link) =>
    addresses.some(({ address, prefix }) => subnets.has(subnetOf(`${address}/${prefix}`)))
  const ends = links.filter(({ master }) => master === undefined)
  return (ends.find(isGateway) ?? ends[0])?.name
}
