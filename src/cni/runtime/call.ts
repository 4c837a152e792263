import { callVariables } from '../protocol/execute.ts'
import type { CniCommand } from '../protocol/plugin-type.ts'
import type { RuntimeConf } from './cache.ts'
import type { Network, PluginConfig } from '../config/network.ts'

/** One call of one plugin of a network, with all its input. */
export interface PluginCall {
  command: CniCommand
  /** The plugin's type. */
  plugin: string
  /** Its position in the order of ADD, from 1, and how many plugins there are. */
  place: number
  of: number
  /** The executable, as the host sees it. */
  file: string
  /** The `CNI_*` variables. */
  variables: Readonly<Record<string, string>>
  /** The JSON for its standard input. */
  config: Readonly<Record<string, unknown>>
}

/** A network, with the executables of its plugins. */
export interface Chain {
  network: Network
  /** The executable of each type. */
  files: ReadonlyMap<string, string>
  /** The directories of CNI_PATH, as the host sees them. */
  path: readonly string[]
}

/** The capability arguments for a plugin: those that its configuration declares (CNI spec 1.1.0, section 5). */
export function runtimeConfigOf(
  plugin: PluginConfig,
  capabilityArgs: Readonly<Record<string, unknown>>,
): Record<string, unknown> | undefined {
  const declared = plugin['capabilities']
  if (typeof declared !== 'object' || declared === null) return undefined
  const own = Object.entries(declared).filter(([capability, has]) => has === true && capability in capabilityArgs)
  return own.length === 0 ? undefined : Object.fromEntries(own.map(([key]) => [key, capabilityArgs[key]]))
}

/**
 * The calls of a command, one for each plugin in the order of ADD. `given` is undefined for GC and STATUS. `more` is added to
 * each configuration, such as `prevResult`.
 */
export function callsOf(
  { network, files, path }: Chain,
  command: CniCommand,
  given: RuntimeConf | undefined,
  more: Readonly<Record<string, unknown>> = {},
): PluginCall[] {
  const args = (given?.args ?? []).map((pair) => pair.join('=')).join(';')
  const variables = callVariables(command, { ...given, args, path })
  return network.plugins.map((plugin, i) => {
    const runtimeConfig = given && runtimeConfigOf(plugin, given.capabilityArgs)
    return {
      command,
      plugin: plugin.type,
      place: i + 1,
      of: network.plugins.length,
      file: files.get(plugin.type) ?? plugin.type,
      variables,
      config: {
        ...plugin,
        name: network.name,
        cniVersion: network.version,
        ...more,
        ...(runtimeConfig === undefined ? {} : { runtimeConfig }),
      },
    }
  })
}
