import { wrongContainerId, wrongInterfaceName, wrongNetworkName } from '../../rules/names.ts'
import { isObject } from '../../state/json.ts'
import { CODE, CniError } from './error.ts'
import { parseUntrusted } from './given-json.ts'
import { withPluginKeys } from './go-keys.ts'
import { type Call, type CniCommand, COMMANDS, type ValidAttachments } from './plugin-type.ts'
import { parseResult, type Result } from './result.ts'
import { Settings } from './settings.ts'
import { atLeast, isVersion, LATEST, OLDEST, type Version, VERSIONS } from './versions.ts'

/** The environment variables of a process, by name; undefined for one that is not set. */
export type Environment = Readonly<Record<string, string | undefined>>

/** The environment variables that each command requires (CNI spec 1.1.0, "CNI operations"). */
export const REQUIRED: Readonly<Record<CniCommand, readonly string[]>> = {
  ADD: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME'],
  DEL: ['CNI_CONTAINERID', 'CNI_IFNAME'],
  CHECK: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME'],
  GC: ['CNI_PATH'],
  STATUS: [],
  VERSION: [],
}

/** The version of the spec that introduced a command; the oldest one unless listed. */
export const SINCE: Readonly<Partial<Record<CniCommand, Version>>> = { CHECK: '0.4.0', GC: '1.1.0', STATUS: '1.1.0' }

/** Reads CNI_COMMAND. Throws CniError `environment` if there is no such command, or a variable that it requires is missing or invalid. */
export function readCommand(env: Environment): CniCommand {
  const given = env['CNI_COMMAND'] ?? ''
  const command = COMMANDS.find((one) => one === given)
  if (command === undefined)
    throw new CniError(CODE.environment, `unknown CNI_COMMAND: ${given}`, `it is one of ${COMMANDS.join(', ')}`)
  const missing = REQUIRED[command].filter((name) => (env[name] ?? '') === '')
  if (missing.length > 0)
    throw new CniError(
      CODE.environment,
      `required env variables [${missing.join(',')}] missing`,
      `the runtime that calls the plugin must set them for ${command}`,
    )
  const id = env['CNI_CONTAINERID'] ?? ''
  const ifname = env['CNI_IFNAME'] ?? ''
  const wrong =
    (id === '' ? undefined : wrongContainerId(id)) ?? (ifname === '' ? undefined : wrongInterfaceName(ifname))
  if (wrong !== undefined)
    throw new CniError(CODE.environment, wrong, 'it is the value of CNI_CONTAINERID or CNI_IFNAME')
  return command
}

/** Parses the pairs `K=V;K2=V2` of CNI_ARGS. Throws CniError `environment`. */
export function readArgs(text: string): Record<string, string> {
  const pairs = text.split(';').filter((pair) => pair !== '')
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=')
      if (at < 1) throw new CniError(CODE.environment, `CNI_ARGS: '${pair}' is not KEY=VALUE`)
      return [pair.slice(0, at), pair.slice(at + 1)] as const
    }),
  )
}

/** Parses a configuration. Throws CniError `decode`. */
export function readConfig(text: string): Readonly<Record<string, unknown>> {
  let json: unknown
  try {
    json = parseUntrusted(text)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new CniError(
      CODE.decode,
      `the configuration on stdin is not JSON: ${why}`,
      'the runtime passes the network configuration, which it mostly reads from a file in /etc/cni/net.d',
    )
  }
  if (!isObject(json))
    throw new CniError(
      CODE.decode,
      'the configuration on stdin is not a JSON object',
      'a network configuration has the form {"cniVersion", "name", "type", …}',
    )
  return withPluginKeys(json)
}

/** The version that a configuration asks for, even one that we do not support. Throws CniError `decode`. */
export function requestedVersion(config: Readonly<Record<string, unknown>>): string {
  const version = config['cniVersion'] ?? OLDEST
  if (typeof version !== 'string') throw new CniError(CODE.decode, 'cniVersion is not text')
  return version === '' ? OLDEST : version
}

/** Throws CniError `incompatibleVersion` for a version that we do not support, or that lacks the command. */
function supported(version: string, command: CniCommand): Version {
  if (!isVersion(version))
    throw new CniError(
      CODE.incompatibleVersion,
      `incompatible CNI versions; config is "${version}", plugin supports ${JSON.stringify(VERSIONS)}`,
      'set cniVersion in the network configuration to one of them',
    )
  const since = SINCE[command]
  if (since !== undefined && !atLeast(version, since))
    throw new CniError(
      CODE.incompatibleVersion,
      `config version "${version}" does not allow ${command}`,
      `${command} exists since CNI ${since}: set cniVersion to that or a newer one, up to ${LATEST}`,
    )
  return version
}

function readPrevResult(config: Readonly<Record<string, unknown>>): Result | undefined {
  const given = config['prevResult']
  if (given === undefined || given === null) return undefined
  try {
    return parseResult(given)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new CniError(CODE.decode, `prevResult in the configuration is ${why}`)
  }
}

/** What `read` returns; if it throws, `otherwise`, if that is allowed. */
function orElse<T>(isAllowed: boolean, otherwise: T, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (isAllowed) return otherwise
    throw error
  }
}

/** Reads a plugin's call from its environment and configuration. Throws CniError. */
export function readCall(command: CniCommand, env: Environment, config: Readonly<Record<string, unknown>>): Call {
  const version = supported(requestedVersion(config), command)
  const { name } = config
  if (typeof name !== 'string' || name === '')
    throw new CniError(CODE.config, 'missing network name', 'give the network configuration a "name"')
  const wrong = wrongNetworkName(name)
  if (wrong !== undefined) throw new CniError(CODE.config, wrong, 'change "name" in the network configuration')
  // DEL releases what it can, whatever else is wrong: nobody calls it again with something better.
  const lenient = command === 'DEL'
  const prevResult = orElse(lenient, undefined, () => readPrevResult(config))
  if (command === 'CHECK' && prevResult === undefined)
    throw new CniError(
      CODE.config,
      'CHECK needs prevResult, the result of ADD, in the configuration',
      'the runtime must pass it (CNI spec, section "CHECK")',
    )
  return {
    network: name,
    containerId: env['CNI_CONTAINERID'] ?? '',
    ifname: env['CNI_IFNAME'] ?? '',
    netns: env['CNI_NETNS'] ?? '',
    args: orElse(lenient, {}, () => readArgs(env['CNI_ARGS'] ?? '')),
    path: (env['CNI_PATH'] ?? '').split(':').filter((folder) => folder !== ''),
    version,
    config,
    prevResult,
  }
}

/**
 * Reads the attachments that GC must leave alone, from either key that runtimes use; without any, as from cnitool, there are
 * none. Throws CniError `config`.
 */
export function readValid(config: Readonly<Record<string, unknown>>): ValidAttachments {
  const key = 'cni.dev/valid-attachments' in config ? 'cni.dev/valid-attachments' : 'cni.dev/attachments'
  const settings = new Settings(
    config,
    (place, problem) =>
      new CniError(
        CODE.config,
        `"${place}": ${problem}: "cni.dev/valid-attachments" is a list of {"containerID", "ifname"}`,
        'GC removes whatever it does not name',
      ),
  )
  return settings.list(key, (items, place) => {
    const one = items.part(place)
    const text = (name: string) => one.required(name, one.text(name))
    return { containerId: text('containerID'), ifname: text('ifname') }
  })
}
