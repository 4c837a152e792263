import { readdirSync, statSync } from 'node:fs'
import { MIB, readBytes } from './read-file.ts'

/** The processes that this one can see, by their pids. */
export function processes(): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
}

/** The processes that are in a network namespace, by the namespace's inode; of another user's nothing can be told. */
export function processesIn(inode: number): number[] {
  return processes().filter((pid) => networkOf(pid) === inode)
}

/** Inode of a process's network namespace; undefined for a process that has ended, or is another user's. */
export function networkOf(pid: number | 'self'): number | undefined {
  try {
    return statSync(`/proc/${pid}/ns/net`).ino
  } catch {
    return undefined
  }
}

/** Start time of a process, field 22 of /proc/PID/stat (proc(5)); undefined for a process that is gone or a zombie. */
export function startTime(pid: number): string | undefined {
  const fields = statFields(pid)
  return fields?.[0] === 'Z' ? undefined : fields?.[19]
}

/** The process that started another one; undefined if that is gone. */
export function parentOf(pid: number): number | undefined {
  const parent = statFields(pid)?.[1]
  return parent === undefined ? undefined : Number(parent)
}

/** The fields of /proc/PID/stat from the third on: the second is a name, which may hold anything. */
function statFields(pid: number): string[] | undefined {
  try {
    return readBytes(`/proc/${pid}/stat`, MIB)
      .toString('latin1')
      .replace(/^.*\) /s, '')
      .split(' ')
  } catch {
    return undefined
  }
}
