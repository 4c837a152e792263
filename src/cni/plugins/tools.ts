import { isInstalled } from '../../kernel/environment.ts'
import { bindOperation, type Operation } from '../../operations/registry.ts'
import { CODE, CniError } from '../protocol/error.ts'

/** Throws CniError `unavailable` if a program that a plan needs is not installed. */
export function requireTools(plan: readonly Operation[]): void {
  const tools = plan.map(bindOperation).flatMap(({ apply }) => apply.map(({ tool }) => tool))
  const lost = [...new Set(['flock', 'nsenter', ...tools])].filter((tool) => !isInstalled(tool))
  if (lost.length > 0)
    throw new CniError(
      CODE.unavailable,
      `not installed on this machine: ${lost.join(', ')}`,
      'on Debian they are in the packages iproute2, nftables, procps, and util-linux',
    )
}
