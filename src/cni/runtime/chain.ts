import type { Host } from '../../kernel/host.ts'
import { CniError } from '../protocol/error.ts'
import { errorOf, type Execution, resultOf } from '../protocol/execute.ts'
import { tellResult, toCniError } from '../protocol/run-plugin.ts'
import { toVersion } from '../protocol/result.ts'
import { removeCached, writeCached, type RuntimeConf } from './cache.ts'
import { callsOf, type Chain, type PluginCall } from './call.ts'

/** Runs a plugin, as it is told, and never throws for an exit status. */
export type RunCall = (call: PluginCall) => Promise<Execution>

/** The error of a plugin in a chain, with its name and its place. */
function failed(call: PluginCall, error: unknown): CniError {
  const { code, message, details } = toCniError(error)
  const place = call.of === 1 ? '' : ` (${call.place} of ${call.of})`
  return new CniError(code, `plugin ${call.plugin}${place}, ${call.command}: ${message}`, details)
}

/**
 * Runs calls one after the other, also after one that failed, and throws what the plugins reported, as one CniError with
 * the code of the first.
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

/** Throws some errors as one; does nothing if there are none. */
export function throwAll(errors: readonly CniError[]): void {
  const [first, ...more] = errors
  if (!first) return
  if (more.length === 0) throw first
  const details = [...new Set(errors.map((error) => error.details))].filter((text) => text !== '')
  throw new CniError(first.code, errors.map(({ message }) => message).join('; '), details.join('; '))
}

/** Why an ADD failed, as its plugin reported it, and what became of what had been made. */
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

/** The calls of DEL, in their order: the chain's reversed. */
export function delCalls(
  chain: Chain,
  given: RuntimeConf,
  prevResult: Record<string, unknown> | undefined,
): PluginCall[] {
  return callsOf(chain, 'DEL', given, prevResult && { prevResult }).toReversed()
}

/**
 * ADD: each plugin gets the result of the one before; the last result is cached and told, in the network's version, and
 * returned. After a failure, also of telling it, all plugins get DEL, unless the interface was there before (`wasThere`), which that would delete.
 * Throws AddError, which names the plugin.
 */
export async function add(
  host: Host,
  chain: Chain,
  given: RuntimeConf,
  wasThere: boolean,
  run: RunCall,
  tell: (text: string) => void,
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
    tellResult(result, tell)
    return result
  } catch (error) {
    const aftermath = wasThere
      ? `no DEL was sent: ${given.ifname} was there before, and DEL would delete it`
      : await rollBack(host, chain, given, run)
    throw new AddError(toCniError(error), aftermath)
  }
}

/** DEL after a failed ADD. Returns what came of it, in words. */
async function rollBack(host: Host, chain: Chain, given: RuntimeConf, run: RunCall): Promise<string> {
  try {
    await runAll(delCalls(chain, given, undefined), run)
    await removeCached(host, given)
    return 'what had been made was taken away again, with DEL'
  } catch (error) {
    return `DEL, to take away what had been made, failed too: ${toCniError(error).message}`
  }
}
