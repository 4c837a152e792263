import { environmentOn } from './environment.ts'
import type { Host } from './host.ts'
import { inside } from './inside.ts'
import { type Finished, spawn, type SpawnOptions, StoppedError } from './spawn.ts'

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

/** Limits for a lab's program: seconds, and characters of output. */
const STRANGERS = { limit: 10, most: 100 * 1024, mayLeave: true }

/**
 * Runs an untrusted program, and returns its output, with a note if we stopped it for taking too long or printing too much.
 * What it leaves in the background continues.
 */
export async function outputOf(host: Host, argv: readonly string[], netns: string | undefined): Promise<string> {
  const options = { ...STRANGERS, env: { ...environmentOn(host), LC_ALL: 'C' }, detached: true }
  try {
    const { stdout, stderr } = await spawn(inside(host, netns, argv), options)
    return `${stdout}${stderr}`.trimEnd()
  } catch (error) {
    if (!(error instanceof StoppedError)) throw error
    return `${error.printed.trimEnd()}\n(${error.message})`
  }
}
