import type { Terminal } from '../plan/cut-off.ts'
import { parentOf } from './processes.ts'
import { MIB, readBytes } from './read-file.ts'

/**
 * The ssh(1) terminals that this program may have been started from, by SSH_CONNECTION: its own, and that of its ancestors,
 * as sudo(8) removes the variable.
 */
export function terminals(): Terminal[] {
  const found = new Map<string, Terminal>()
  for (let pid: number | undefined = process.pid; pid !== undefined && pid > 1; pid = parentOf(pid)) {
    const value = pid === process.pid ? process.env['SSH_CONNECTION'] : environmentVariable(pid, 'SSH_CONNECTION')
    const [client, , server] = value?.split(' ') ?? []
    if (client !== undefined && server !== undefined) found.set(`${client} ${server}`, { client, server })
  }
  return [...found.values()]
}

/** A variable of a process; undefined if it is not set, or if the process is gone or another user's. */
function environmentVariable(pid: number, name: string): string | undefined {
  try {
    const variables = readBytes(`/proc/${pid}/environ`, MIB).toString('utf8').split('\0')
    return variables.find((one) => one.startsWith(`${name}=`))?.slice(name.length + 1)
  } catch {
    return undefined
  }
}
