import { isInstalled } from '../../kernel/environment.ts'
import { systemCalls } from '../../kernel/netlink/system-calls.ts'
import { bindOperation, type Operation } from '../../operations/registry.ts'
import { CODE, CniError } from '../protocol/error.ts'

/** Throws CniError `unavailable` if a program that a plan needs is not installed. By netlink, it needs none. */
export async function requireTools(plan: readonly Operation[]): Promise<void> {
  if (await systemCalls()) return
  const tools = plan.map(bindOperation).flatMap(({ apply }) => apply.map(({ tool }) => tool))
  const lost = [...new Set(['flock', 'nsenter', ...tools])].filter((tool) => !isInstalled(tool))
  if (lost.length > 0)
    throw new CniError(
      CODE.unavailable,
      `not installed on this machine: ${lost.join(', ')}`,
      'on Debian they are in the packages iproute2, nftables, procps, and util-linux',
    )
}
