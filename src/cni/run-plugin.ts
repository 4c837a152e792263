import { CnilabError } from '../errors.ts'
import { visibleJson } from '../visible.ts'
import { CODE, CniError } from './error.ts'
import type { PluginType } from './plugin-type.ts'
import { type Environment, readCall, readCommand, readConfig, readValid, versionOf } from './request.ts'
import { toVersion } from './result.ts'
import { isVersion, LATEST, OLDEST, VERSIONS } from './versions.ts'

/** What a call of a plugin prints, and its exit status. */
export interface Answer {
  code: 0 | 1
  stdout: string
  stderr: string
}

const done: Answer = { code: 0, stdout: '', stderr: '' }

/**
 * Does one call of a plugin: reads the environment and the configuration, does the command, and answers as the CNI spec
 * 1.1.0 says, with a result or an error on stdout. Never throws.
 */
export async function runPlugin(
  name: string,
  type: PluginType,
  env: Environment,
  readInput: () => string,
): Promise<Answer> {
  if ((env['CNI_COMMAND'] ?? '') === '') return { ...done, stderr: about(name) }
  let version: string = LATEST
  try {
    const command = readCommand(env)
    const text = read(readInput)
    if (command === 'VERSION') {
      const asked = text.trim() === '' ? OLDEST : versionOf(readConfig(text))
      return json({ cniVersion: asked, supportedVersions: VERSIONS })
    }
    const config = readConfig(text)
    const asked = versionOf(config)
    if (isVersion(asked)) version = asked
    const call = readCall(command, env, config)
    if (command === 'ADD') return json(toVersion(await type.add(call), call.version))
    if (command === 'DEL') await type.del(call)
    else if (command === 'CHECK') await type.check(call)
    else if (command === 'GC') await type.gc(call, readValid(config))
    else await type.status(call)
    return done
  } catch (error) {
    return { ...json(toCniError(error).toJson(version)), code: 1 }
  }
}

function read(readInput: () => string): string {
  try {
    return readInput()
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new CniError(
      CODE.io,
      `the configuration on stdin cannot be read: ${why}`,
      'the runtime passes the network configuration there, and closes it',
    )
  }
}

function json(document: unknown): Answer {
  return { ...done, stdout: `${visibleJson(document, 2)}\n` }
}

function about(name: string): string {
  return `cnilab's CNI plugin "${name}". A container runtime calls it with CNI_COMMAND and a network configuration.\nCNI protocol versions supported: ${VERSIONS.join(', ')}\n`
}

/** Whatever was thrown, as an error of the spec: a refusal of the kernel, a wrong value, or a fault of ours. */
export function toCniError(error: unknown): CniError {
  if (error instanceof CniError) return error
  if (!(error instanceof Error)) return new CniError(CODE.bug, String(error))
  if (error instanceof CnilabError) {
    const { kind, message, command, fix } = error
    const words = [command === undefined ? '' : `the command was: ${command}`, fix ?? ''].filter((one) => one !== '')
    return new CniError(kind === 'machine' ? CODE.missingTool : CODE.kernel, message, words.join('; '))
  }
  if ('code' in error && typeof error.code === 'string' && 'syscall' in error)
    return new CniError(CODE.io, error.message)
  return new CniError(CODE.bug, `a fault in cnilab: ${error.message}`, error.stack)
}
