import type { Host } from '../../kernel/host.ts'
import { CniError } from '../protocol/error.ts'
import { errorOf, type Execution, resultOf } from '../protocol/execute.ts'
import { deliverResult, toCniError } from '../protocol/run-plugin.ts'
import { toVersion } from '../protocol/result.ts'
import { removeCached, writeCached, type RuntimeConf } from './cache.ts'
import { callsOf, type Chain, type PluginCall } from './call.ts'

/** Runs a plugin, and does not throw for any exit status. */
export type RunCall = (call: PluginCall) => Promise<Execution>

/** The error of a plugin in a chain, with its name and position. */
function failed(call: PluginCall, error: unknown): CniError {
  const { code, message, details } = toCniError(error)
  const place = call.of === 1 ? '' : ` (${call.place} of ${call.of})`
  return new CniError(code, `plugin ${call.plugin}${place}, ${call.command}: ${message}`, details)
}

/**
 * Runs calls in order, even after a failure, and throws all reported errors as one CniError with the code of the first.
 */
export async function runAll(calls: readonly PluginCall[], run: RunCall): Promise<void> {
  const errors: CniError[] = []
  for (const call of calls) {
    try {
      const error = errorOf(call.plugin, await run(call))
      if (error) errors.push(failed(call, error))
    } catch (error) {
      errors.push(failed(call, error))
    }
  }
  throwAll(errors)
}

/** Throws errors as one; does nothing if there are none. */
export function throwAll(errors: readonly CniError[]): void {
  const [first, ...more] = errors
  if (!first) return
  if (more.length === 0) throw first
  const details = [...new Set(errors.map((error) => error.details))].filter((text) => text !== '')
  throw new CniError(first.code, errors.map(({ message }) => message).join('; '), details.join('; '))
}

/** Why an ADD failed, as the plugin reported it, and whether it was rolled back. */
export class AddError extends CniError {
  readonly reported: CniError
  readonly aftermath: string

  constructor(reported: CniError, aftermath: string) {
    const { code, message, details } = reported
    super(code, message, [details, aftermath].filter((text) => text !== '').join('; '))
    this.reported = reported
    this.aftermath = aftermath
  }
}

/** The calls of DEL, in the reverse order of the chain. */
export function delCalls(
  chain: Chain,
  given: RuntimeConf,
  prevResult: Record<string, unknown> | undefined,
): PluginCall[] {
  return callsOf(chain, 'DEL', given, prevResult && { prevResult }).toReversed()
}

/**
 * ADD: each plugin gets the result of the previous one. The last result, in the network's version, is cached, passed to
 * `deliver`, and returned. After a failure, even of `deliver`, all plugins get DEL, unless the interface existed before
 * (`wasThere`), as DEL would delete it. Throws AddError, which names the plugin.
 */
export async function add(
  host: Host,
  chain: Chain,
  given: RuntimeConf,
  wasThere: boolean,
  run: RunCall,
  deliver: (text: string) => void,
): Promise<Record<string, unknown>> {
  const { network } = chain
  let result: Record<string, unknown> = {}
  try {
    for (const call of callsOf(chain, 'ADD', given)) {
      const config = call.place === 1 ? call.config : { ...call.config, prevResult: result }
      try {
        result = toVersion(resultOf(call.plugin, await run({ ...call, config })), network.version)
      } catch (error) {
        throw failed(call, error)
      }
    }
    await writeCached(host, given, network.text, result)
    deliverResult(result, deliver)
    return result
  } catch (error) {
    const aftermath = wasThere
      ? `no DEL was sent: ${given.ifname} existed before, and DEL would delete it`
      : await rollBack(host, chain, given, run)
    throw new AddError(toCniError(error), aftermath)
  }
}

/** DEL after a failed ADD. Returns the outcome in words. */
async function rollBack(host: Host, chain: Chain, given: RuntimeConf, run: RunCall): Promise<string> {
  try {
    await runAll(delCalls(chain, given, undefined), run)
    await removeCached(host, given)
    return 'what had been made was removed again, with DEL'
  } catch (error) {
    return `DEL, to remove what had been made, failed too: ${toCniError(error).message}`
  }
}
