import { dirname } from 'node:path'
import type { Host } from '../../kernel/host.ts'
import { environmentOn } from '../../kernel/environment.ts'
import { inside } from '../../kernel/inside.ts'
import { spawn, type SpawnOptions } from '../../kernel/spawn.ts'
import { isObject, parseJson } from '../../state/json.ts'
import { CODE, CniError } from './error.ts'
import { withKeys } from './go-keys.ts'
import type { Keys } from './keys.ts'
import type { CniCommand } from './plugin-type.ts'
import { parseResult, type Result } from './result.ts'

/** The outcome of a plugin's process. */
export interface Execution {
  /** Exit status; undefined if a signal ended it. */
  code: number | undefined
  signal: string | undefined
  stdout: string
  stderr: string
  /** Wall time, in milliseconds. */
  ms: number
}

/** Options of `execute`. */
interface ExecuteOptions extends Pick<SpawnOptions, 'signal' | 'passInterrupt' | 'most' | 'detached'> {
  /** Added to the environment. */
  environment?: NodeJS.ProcessEnv
}

/**
 * Runs a plugin's executable on a host, with `input` on its standard input, and only these `CNI_*` variables and PATH in its
 * environment. `environment` is added for a delegate, which inherits its caller's environment (CNI spec 1.1.0, section 4).
 * `file` is a path as the host sees it. Does not throw for any exit status.
 */
export async function execute(
  host: Host,
  file: string,
  variables: Readonly<Record<string, string>>,
  input: string,
  { environment = {}, ...options }: ExecuteOptions = {},
): Promise<Execution> {
  const path = environmentOn(host)['PATH'] ?? ''
  // Our own plugins run on this same Node, unless they were compiled.
  const PATH = host.kind === 'sandbox' ? path : `${dirname(process.execPath)}:${path}`
  const log = process.env['CNILAB_LOG'] ?? ''
  const started = performance.now()
  const finished = await spawn(inside(host, undefined, [file]), {
    detached: !host.inside,
    ...options,
    input,
    env: { PATH, LC_ALL: 'C', ...(log === '' ? {} : { CNILAB_LOG: log }), ...environment, ...variables },
  })
  return { ...finished, ms: Math.round((performance.now() - started) * 10) / 10 }
}

/** The variables of a call. Leaves out empty ones, as a runtime does. */
export function callVariables(
  command: CniCommand,
  given: { containerId?: string; netns?: string; ifname?: string; args?: string; path: readonly string[] },
): Record<string, string> {
  const all = {
    CNI_COMMAND: command,
    CNI_CONTAINERID: given.containerId ?? '',
    CNI_NETNS: given.netns ?? '',
    CNI_IFNAME: given.ifname ?? '',
    CNI_ARGS: given.args ?? '',
    CNI_PATH: given.path.join(':'),
  }
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ''))
}

const ERROR: Keys = { code: 'number', msg: 'text', details: 'text' }

/** The error that a plugin reported, or one with code `delegate` if it failed without reporting any; undefined if it succeeded. */
export function errorOf(plugin: string, { code, signal, stdout, stderr }: Execution): CniError | undefined {
  if (code === 0) return undefined
  const json = withKeys(parseJson(stdout), { keys: ERROR })
  const { code: number, msg, details } = isObject(json) ? json : {}
  if (typeof number === 'number' && typeof msg === 'string')
    return new CniError(number, msg, typeof details === 'string' ? details : '')
  const how = code === undefined ? `was ended by ${signal ?? 'a signal'}` : `exited with ${code}`
  const said = stderr.trim() || stdout.trim()
  return new CniError(
    CODE.delegate,
    `the plugin ${plugin} ${how} and reported no error`,
    said === '' ? 'it printed nothing' : `it printed: ${said}`,
  )
}

/** The result that a plugin printed. Throws the CniError that it reported, or `decode` if it printed no result. */
export function resultOf(plugin: string, execution: Execution): Result {
  const error = errorOf(plugin, execution)
  if (error) throw error
  try {
    return parseResult(parseJson(execution.stdout))
  } catch (problem) {
    const why = problem instanceof Error ? problem.message : String(problem)
    throw new CniError(
      CODE.decode,
      `the plugin ${plugin} printed no CNI result: it is ${why}`,
      `it printed: ${execution.stdout.trim()}`,
    )
  }
}
