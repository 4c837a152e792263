import { environmentOn } from './environment.ts'
import type { Host } from './host.ts'
import { inside } from './inside.ts'
import { type Finished, MissingError, spawn, type SpawnOptions, StoppedError } from './spawn.ts'

/** How long a program that only reads may take in a sandbox, in seconds: another one in there may have stopped it. */
export const TIME_LIMIT = 8

/**
 * Runs a program on a host, or in one of its namespaces, and collects its output, as `spawn` does. From outside a sandbox it
 * inherits nothing of this process: no terminal, no working directory, and only `env` and the sandbox's own environment.
 */
export function spawnOn(
  host: Host,
  netns: string | undefined,
  argv: readonly string[],
  { env = {}, limit, ...options }: SpawnOptions = {},
): Promise<Finished> {
  return spawn(inside(host, netns, argv), {
    ...options,
    env: { ...environmentOn(host), LC_ALL: 'C', ...env },
    detached: !host.inside,
    ...(host.inside ? {} : { limit: limit ?? TIME_LIMIT }),
  })
}

/** A shell's exit status for a program that it does not find, and, with the signal added to it, for one that a signal ended. */
const [NOT_FOUND, KILLED] = [127, 128]

/** Limits for a lab's program: seconds, and characters of output. */
const STRANGERS = { limit: 10, most: 100 * 1024, mayLeave: true }

/**
 * Runs an untrusted program, and returns its output and exit status; no status, and a note, if we stopped it for taking too
 * long or printing too much. What it leaves in the background continues.
 */
export async function outputOf(
  host: Host,
  argv: readonly string[],
  netns: string | undefined,
): Promise<{ output: string; code: number | undefined }> {
  const options = { ...STRANGERS, env: { ...environmentOn(host), LC_ALL: 'C' }, detached: true }
  try {
    const { stdout, stderr, code = KILLED } = await spawn(inside(host, netns, argv), options)
    return { output: `${stdout}${stderr}`.trimEnd(), code }
  } catch (error) {
    if (error instanceof MissingError) return { output: error.message, code: NOT_FOUND }
    if (!(error instanceof StoppedError)) throw error
    return { output: `${error.printed.trimEnd()}\n(${error.message})`, code: undefined }
  }
}
