import { searchPath } from '../../kernel/environment.ts'
import { MIB, readText } from '../../kernel/read-file.ts'
import { type Finished, spawn } from '../../kernel/spawn.ts'

/** What would let a client ask a runtime of another machine, whose process ids mean nothing here. */
const ELSEWHERE = ['DOCKER_HOST', 'DOCKER_CONTEXT', 'CONTAINER_HOST', 'CONTAINER_CONNECTION']

/** How many seconds a runtime has to answer. */
const LIMIT = 5

/** Asks a runtime of this machine by its own client program. Throws CnilabError if there is none, or no answer. */
export function askClient(argv: readonly string[]): Promise<Finished> {
  const here = Object.entries(process.env).filter(([name]) => !ELSEWHERE.includes(name))
  return spawn(argv, {
    env: { ...Object.fromEntries(here), PATH: searchPath(), LC_ALL: 'C' },
    limit: LIMIT,
    most: 16 * MIB,
  })
}

/** The reason that a client gives for a failure: the last line that it printed. */
export function reasonOf({ code, signal, stderr }: Finished): string {
  return stderr.trim().split('\n').at(-1) || `exit status ${code ?? signal ?? 'unknown'}`
}

/** The file of a process's network namespace. */
export function netnsOfProcess(pid: number): string {
  return `/proc/${pid}/ns/net`
}

/** Whether a process of this machine is in a cgroup that is named after a container. */
export function isInCgroupOf(pid: number, id: string): boolean {
  try {
    return readText(`/proc/${pid}/cgroup`).includes(id)
  } catch {
    return false
  }
}
