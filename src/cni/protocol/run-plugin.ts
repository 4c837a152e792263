import { CnilabError } from '../../errors.ts'
import { UnreadableError } from '../../kernel/read-file.ts'
import { visibleJson } from '../../visible.ts'
import { CODE, CniError, UnwrittenResultError } from './error.ts'
import type { Call, PluginType } from './plugin-type.ts'
import { type Environment, readCall, readCommand, readConfig, readValid, requestedVersion } from './request.ts'
import { type Result, toVersion } from './result.ts'
import { isVersion, LATEST, OLDEST, VERSIONS } from './versions.ts'

/** The output of a plugin, and its exit status. */
export interface PluginOutput {
  code: 0 | 1
  stdout: string
  stderr: string
  /** The error on stdout, if it is one. */
  error?: CniError
  /** What the configuration says of the call, as far as it could be read: for the log. */
  about?: { network?: string; log?: string }
}

const done: PluginOutput = { code: 0, stdout: '', stderr: '' }

/**
 * Does one call of a plugin: reads the environment and the configuration, does the command, and returns what to print as the
 * CNI spec 1.1.0 says: a result or an error on stdout. ADD passes its result to `deliver` as its last step: if that throws,
 * everything is undone. Never throws.
 */
export async function runPlugin(
  name: string,
  type: PluginType,
  env: Environment,
  readInput: () => string,
  deliver: (text: string) => void,
): Promise<PluginOutput> {
  if ((env['CNI_COMMAND'] ?? '') === '') return { ...done, stderr: introduction(name) }
  let version: string = LATEST
  let about: PluginOutput['about']
  try {
    const command = readCommand(env)
    const text = read(readInput)
    if (command === 'VERSION') {
      const asked = text.trim() === '' ? OLDEST : requestedVersion(readConfig(text))
      return json({ cniVersion: asked, supportedVersions: VERSIONS })
    }
    const config = readConfig(text)
    about = aboutCall(config)
    const asked = requestedVersion(config)
    if (isVersion(asked)) version = asked
    const call = readCall(command, env, config)
    if (command === 'ADD') await addAndDeliver(type, call, deliver)
    else if (command === 'DEL') await type.del(call)
    else if (command === 'CHECK') await type.check(call)
    else if (command === 'GC') await type.gc(call, readValid(config))
    else await type.status(call)
    return { ...done, about }
  } catch (error) {
    const told = toCniError(error)
    return { ...json(told.toJson(version)), code: 1, error: told, ...(about ? { about } : {}) }
  }
}

function aboutCall({ name, cnilabLog }: Readonly<Record<string, unknown>>): NonNullable<PluginOutput['about']> {
  return {
    ...(typeof name === 'string' ? { network: name } : {}),
    ...(typeof cnilabLog === 'string' ? { log: cnilabLog } : {}),
  }
}

/** Does ADD. A type that makes nothing has nothing to undo, and need not call `deliver` itself. */
async function addAndDeliver(type: PluginType, call: Call, deliver: (text: string) => void): Promise<void> {
  let isDelivered = false
  const tellOnce = (result: Result) => {
    if (!isDelivered) deliverResult(toVersion(result, call.version), deliver)
    isDelivered = true
  }
  tellOnce(await type.add(call, tellOnce))
}

/** Writes the result of ADD. Throws UnwrittenResultError if nobody reads it; the caller must then undo ADD. */
export function deliverResult(result: unknown, deliver: (text: string) => void): void {
  try {
    deliver(json(result).stdout)
  } catch (error) {
    throw new UnwrittenResultError(error instanceof Error ? error.message : String(error))
  }
}

function read(readInput: () => string): string {
  try {
    return readInput()
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new CniError(
      CODE.io,
      `cannot read the configuration on stdin: ${why}`,
      'the runtime writes the network configuration there, and closes it',
    )
  }
}

function json(document: unknown): PluginOutput {
  return { ...done, stdout: `${visibleJson(document, 2)}\n` }
}

function introduction(name: string): string {
  return `cnilab's CNI plugin "${name}". A container runtime calls it with CNI_COMMAND and a network configuration.\nCNI protocol versions supported: ${VERSIONS.join(', ')}\n`
}

/**
 * Advice as it is good on a node, which need not have the command `cnilab`, and where what is in the way is not ours to have
 * removed.
 */
function onNode(fix: string): string {
  const plain = fix.replaceAll(/cnilab exec (?:--host )?-- /g, '')
  const parts = plain.split('; ').filter((part) => !/\bcnilab |^then remove/.test(part))
  return parts.join('; ')
}

/** Converts anything that was thrown to an error of the spec: a refusal of the kernel, a wrong value, or a bug of ours. */
export function toCniError(error: unknown): CniError {
  if (error instanceof CniError) return error
  if (!(error instanceof Error)) return new CniError(CODE.bug, String(error))
  if (error instanceof CnilabError) {
    const { kind, message, command, fix } = error
    const words = [command === undefined ? '' : `the command was: ${command}`, onNode(fix ?? '')].filter(Boolean)
    return new CniError(kind === 'machine' ? CODE.missingTool : CODE.kernel, message, words.join('; '))
  }
  if (error instanceof UnreadableError) return new CniError(CODE.io, `cannot read ${error.path}: ${error.message}`)
  if ('code' in error && typeof error.code === 'string' && 'syscall' in error)
    return new CniError(CODE.io, error.message)
  return new CniError(CODE.bug, `a bug in cnilab: ${error.message}`, error.stack)
}
