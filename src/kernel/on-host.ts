import { environmentOn } from './environment.ts'
import type { Host } from './host.ts'
import { inside } from './inside.ts'
import { type Finished, spawn, type SpawnOptions, StoppedError } from './spawn.ts'

/** So many seconds a program in a sandbox may take that only tells something: another one in there may have stopped it. */
export const PATIENCE = 8

/**
 * Runs a program on a host, or in a namespace of it, and collects what it prints, as `spawn` does. From outside of a
 * sandbox it gets nothing of this process's: no terminal, no folder, no environment but `env` and the usual one there.
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
    ...(host.inside ? {} : { limit: limit ?? PATIENCE }),
  })
}

/** What a program of a lab's may take: seconds, and characters that it prints. */
const STRANGERS = { limit: 10, most: 100 * 1024, mayLeave: true }

/**
 * Runs a program that somebody wrote, and returns what it printed, with a word if it was stopped for taking too long or
 * printing too much. What it leaves in the background goes on.
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
