import { bindAssertion } from '../../assertions/registry.ts'
import { inNetns } from '../../operations/operation.ts'
import { bindOperation } from '../../operations/registry.ts'
import type { Finding } from '../../plan/finding.ts'
import { HOST, INTERNET, type State } from '../../state/state.ts'
import type { Runnable, RunnableStep } from '../format/lab.ts'

/** An address with its prefix, and where it is. */
interface Given {
  address: string
  ifname: string
  netns?: string | undefined
}

/** The addresses that a step gives to interfaces or asks for, by the ids of their findings; a solution's count for neither. */
function addressesOf(step: RunnableStep): { id: string; given: Given }[] {
  return [
    ...(step.free === true ? [] : step.operations.map(bindOperation)),
    ...(step.checks ?? []).filter(({ not }) => !not).map(bindAssertion),
  ].flatMap(({ id, addresses }) => addresses.map((given) => ({ id, given })))
}

/**
 * Tells which findings of a lab are wrong although their address is where it should be: it is somewhere else, too, and a
 * packet for it may not go to its owner. Looks at the host and at the namespaces in which the lab has addresses.
 */
export function doublesIn(
  lab: Pick<Runnable, 'steps' | 'start'>,
  now: State,
): (step: RunnableStep, finding: Finding) => Finding {
  const own = new Map(lab.steps.map((step) => [step, new Map(addressesOf(step).map(({ id, given }) => [id, given]))]))
  const all = [
    ...[...(lab.start ?? []), ...lab.steps.flatMap(({ operations }) => operations)].flatMap(
      (operation) => bindOperation(operation).addresses,
    ),
    ...[...own.values()].flatMap((given) => [...given.values()]),
  ]
  const places = new Set(all.map(({ address, ifname, netns = HOST }) => `${bare(address)} ${netns} ${ifname}`))
  const strays = new Map<string, string>()
  for (const netns of new Set([HOST, ...all.map(({ netns: name = HOST }) => name)]))
    for (const { name, addresses } of netns === INTERNET ? [] : (now.get(netns)?.links ?? []))
      for (const { address } of addresses)
        if (!places.has(`${address} ${netns} ${name}`))
          strays.set(address, `${name}${inNetns(netns === HOST ? undefined : netns)}`)
  return (step, finding) => {
    const given = own.get(step)?.get(finding.id)
    const stray = given && strays.get(bare(given.address))
    if (finding.passed !== true || !given || stray === undefined) return finding
    const place = `${given.ifname}${inNetns(given.netns)}`
    return {
      ...finding,
      passed: false,
      actual: `${bare(given.address)} is on ${place}, and on ${stray}, too`,
    }
  }
}

const bare = (cidr: string) => cidr.split('/')[0] ?? cidr
