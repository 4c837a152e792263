import type { Kernel } from '../../kernel/kernel.ts'
import { bindOperation, type Operation, parseOperation } from '../../operations/registry.ts'
import { toLine } from '../../plan/command-line.ts'
import { type Finding, toFindings } from '../../plan/finding.ts'
import { INTERNET, type State, UPLINK } from '../../state/state.ts'
import type { Runnable } from '../format/lab.ts'
import { effectsOf, withEffects } from './prove.ts'
import { isHostDefault } from '../../operations/route.ts'

/**
 * What a sandbox had from the start, and has no more: the host's default route. Its own internet is a neighbour, which it
 * reaches without, so that no packet tells. Empty where the lab itself is about that route.
 */
export async function lostGround(kernel: Kernel, lab: Runnable, step: string, now: State): Promise<Finding[]> {
  if (kernel.host.kind === 'machine' || !now.has(INTERNET) || isAboutDefault(lab)) return []
  const way = bindOperation(wayOut())
  if (way.judge(now).status === 'present') return []
  const findings = withEffects(toFindings([way], now, step), await effectsOf(kernel, [way], now))
  const commands = ground()
    .map(bindOperation)
    .filter((one) => one.judge(now).status !== 'present')
    .flatMap(({ apply }) => apply.map((command) => toLine(command, '1')))
    .join('; ')
  return findings
    .filter(({ passed }) => passed !== true)
    .map((finding) => ({
      ...finding,
      passed: false,
      what: 'The host keeps the default route that it had',
      actual: `${finding.actual}; ${commands} would bring it back`,
    }))
}

/** The operations that bring back what `lostGround` found to be lost, and what that rests on; none if nothing is. */
export function lostGroundOf(findings: readonly Finding[]): Operation[] {
  const { id } = bindOperation(wayOut())
  return findings.some((one) => one.id === id && one.passed === false) ? ground() : []
}

/** The host's way out, and what it rests on. */
function ground(): Operation[] {
  const { address, prefix, ifname } = UPLINK
  return [
    parseOperation('address', { address: `${address}/${prefix}`, ifname }),
    parseOperation('up', { ifname }),
    wayOut(),
  ]
}

const wayOut = () => parseOperation('route', { dst: 'default', via: UPLINK.gateway })

function isAboutDefault({ start = [], steps }: Runnable): boolean {
  const items = [
    ...start,
    ...steps.flatMap(({ operations, before = [], checks = [] }) => [
      ...operations,
      ...[...before, ...checks].map(({ claim }) => claim),
    ]),
  ]
  return items.some(({ kind, params }) => isHostDefault({ kind, params: { ...params } }))
}
