import { readdirSync, statSync } from 'node:fs'
import { MIB, readBytes, readText } from './read-file.ts'

/** The pids of all processes that this one can see. */
export function processes(): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
}

/** The processes in the network namespace with this inode. Other users' processes cannot be inspected, and are left out. */
export function processesIn(inode: number): number[] {
  return processes().filter((pid) => netnsInodeOf(pid) === inode)
}

/** The inode of a process's network namespace; undefined if the process has ended, or is another user's. */
export function netnsInodeOf(pid: number | 'self'): number | undefined {
  try {
    return statSync(`/proc/${pid}/ns/net`).ino
  } catch {
    return undefined
  }
}

/** The pids of a process: in our pid namespace, and in those below, down to its own; none if it is gone. */
export function pidsOf(pid: number): number[] {
  try {
    const status = readBytes(`/proc/${pid}/status`, MIB).toString('latin1') // its name may be any bytes
    return /^NSpid:\t(.*)$/m.exec(status)?.[1]?.split('\t').map(Number) ?? []
  } catch {
    return []
  }
}

/** The children of a process's first thread (proc(5)); none of one that has ended. */
export function childrenOf(pid: number): number[] {
  try {
    return readText(`/proc/${pid}/task/${pid}/children`).trim().split(' ').filter(Boolean).map(Number)
  } catch {
    return []
  }
}

/**
 * The start time of a process, field 22 of /proc/PID/stat (proc(5)); undefined if it is gone, or a zombie. A process of
 * which only the first thread has ended is not a zombie.
 */
export function startTime(pid: number): string | undefined {
  const fields = statFields(pid)
  const isZombie = fields?.[0] === 'Z' && Number(fields[17]) <= 1
  return isZombie ? undefined : fields?.[19]
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
