import { CnilabError } from '../../errors.ts'
import type { Host } from '../../kernel/host.ts'
import { ipamType } from '../ipam/ipam.ts'
import { defaultPath, findPluginsOn } from '../programs/plugin-path.ts'
import { CniError } from '../protocol/error.ts'
import { callVariables, errorOf, execute, resultOf } from '../protocol/execute.ts'
import type { Call, CniCommand } from '../protocol/plugin-type.ts'
import { EMPTY, type Result } from '../protocol/result.ts'
import { fixOf } from './bridge-job.ts'

/** Calls the network's IPAM plugin, on the host. Returns the result of ADD, for other commands an empty one. Throws CnilabError. */
export async function askIpam(host: Host, command: CniCommand, call: Call): Promise<Result> {
  const type = ipamType(call.config)
  if (type === undefined) return EMPTY
  const path = defaultPath(host)
  const file = (await findPluginsOn(host, [type], path)).get(type) ?? ''
  const execution = await execute(
    host,
    file,
    callVariables(command, { ...call, args: '', path }),
    JSON.stringify(call.config),
  )
  try {
    if (command === 'ADD') return resultOf(type, execution)
    const error = errorOf(type, execution)
    if (error) throw error
    return EMPTY
  } catch (error) {
    if (error instanceof CniError)
      throw new CnilabError('state', `${type}, ${command}: ${error.message}`, { cause: error, ...fixOf(error) })
    throw error
  }
}
