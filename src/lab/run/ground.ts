import type { Kernel } from '../../kernel/kernel.ts'
import { bindOperation, parseOperation } from '../../operations/registry.ts'
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
  const way = bindOperation(parseOperation('route', { dst: 'default', via: UPLINK.gateway }))
  if (way.judge(now).status === 'present') return []
  const findings = withEffects(toFindings([way], now, step), await effectsOf(kernel, [way], now))
  const commands = way.apply.map((command) => toLine(command, '1')).join('; ')
  return findings
    .filter(({ passed }) => passed !== true)
    .map((finding) => ({
      ...finding,
      passed: false,
      what: 'The host keeps the default route that it had',
      actual: `${finding.actual}: ${commands} brings it back`,
    }))
}

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
