import { MACHINE } from '../../kernel/host.ts'
import { writeWhole } from '../../kernel/write.ts'
import { callVariables, errorOf, execute, type Execution, resultOf } from '../protocol/execute.ts'
import { CODE, CniError } from '../protocol/error.ts'
import type { Call, CniCommand, PluginType } from '../protocol/plugin-type.ts'
import { atLeast } from '../protocol/versions.ts'
import { isObject } from '../../state/json.ts'
import { visible } from '../../visible.ts'
import { findDelegate } from '../programs/find-plugin.ts'

/** The type of a configuration's IPAM plugin; undefined for a network without addresses. */
export function ipamType({ ipam }: Call['config']): string | undefined {
  const type = isObject(ipam) ? ipam['type'] : undefined
  return typeof type === 'string' && type !== '' ? type : undefined
}

/**
 * Throws CniError `config` if "ipam" asks for addresses, but of no plugin: an ADD would succeed without any. Without "ipam", or
 * with an empty one, a network has none on purpose.
 */
export function refuseWithoutType({ config }: Pick<Call, 'config'>): void {
  const ipam = config['ipam']
  if (ipam === undefined || ipam === null) return
  if (!isObject(ipam)) throw wrong('"ipam" is not an object', ipam)
  const { type = '', ...rest } = ipam
  if (typeof type !== 'string') throw wrong('"ipam.type" is not text', type)
  if (type === '' && Object.keys(rest).length > 0) throw wrong('"ipam" has no "type"', ipam)
}

function wrong(what: string, given: unknown): CniError {
  return new CniError(
    CODE.config,
    `network configuration: ${what}, so no address would be handed out: ${JSON.stringify(given)}`,
    'for example: "ipam": {"type": "host-local", "subnet": "10.22.0.0/16"}, or "ipam": {} for a network without addresses',
  )
}

/** Our own IPAM plugins, which need no separate process if they are the ones in CNI_PATH. */
const own: Readonly<Record<string, () => Promise<PluginType>>> = {
  'host-local': async () => (await import('./host-local.ts')).hostLocal,
  static: async () => (await import('./static.ts')).staticIpam,
}

/** Whether the IPAM plugin may need the interface, to request an address through it. */
export function needsInterface(config: Call['config']): boolean {
  const type = ipamType(config)
  return type !== undefined && !Object.hasOwn(own, type)
}

/**
 * The IPAM plugin of a call's configuration (CNI spec 1.1.0, section 4): one of ours, or whatever is in CNI_PATH.
 * Undefined for a network without addresses. Throws CniError if there is no such plugin.
 */
export async function ipamOf(call: Call): Promise<PluginType | undefined> {
  const type = ipamType(call.config)
  if (type === undefined) return undefined
  const { file, isOwn } = findDelegate(type, call.path)
  const inProcess = isOwn ? own[type] : undefined
  return inProcess ? inProcess() : delegate(type, file)
}

/** Passes a plugin's stderr on to ours. It is for people; if nobody reads it, that is no reason to fail. */
function passOn(text: string): void {
  try {
    writeWhole(2, visible(text))
  } catch {
    // nobody reads it
  }
}

/** A plugin that runs in a separate process, with the same environment and configuration. */
function delegate(type: string, file: string): PluginType {
  const run = async (command: CniCommand, call: Call): Promise<Execution> => {
    const args = Object.entries(call.args).map(([key, value]) => `${key}=${value}`)
    const execution = await execute(
      MACHINE,
      file,
      callVariables(command, { ...call, args: args.join(';') }),
      JSON.stringify(call.config),
      { environment: process.env },
    )
    passOn(execution.stderr)
    return execution
  }
  const quiet = async (command: CniCommand, call: Call): Promise<void> => {
    const error = errorOf(type, await run(command, call))
    if (error) throw error
  }
  return {
    add: async (call) => {
      const execution = await run('ADD', call)
      try {
        return resultOf(type, execution)
      } catch (error) {
        await run('DEL', call) // it may have failed half-way (CNI spec 1.1.0, section 4)
        throw error instanceof CniError ? error : new Error(String(error))
      }
    },
    del: (call) => quiet('DEL', call),
    check: async (call) => {
      if (atLeast(call.version, '0.4.0')) await quiet('CHECK', call)
    },
    gc: (call) => quiet('GC', call),
    status: (call) => quiet('STATUS', call),
  }
}
