import { existsSync, readdirSync, rmSync, statSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { findHolders, listSandboxes, type Sandbox, startTime } from './find.ts'

/** Ends a sandbox: its first process is killed, and the kernel removes every process, namespace and interface in it. */
export async function removeSandbox(sandbox: Pick<Sandbox, 'pid' | 'folder'>): Promise<void> {
  await kill(sandbox.pid)
  rmSync(sandbox.folder, { recursive: true, force: true })
  await until(() => !existsSync(sandbox.folder))
}

/** Ends all of this user's sandboxes, also those whose record was lost. Returns their names. */
export async function removeAll(): Promise<string[]> {
  const sandboxes = listSandboxes()
  await Promise.all(sandboxes.map(removeSandbox))
  const lost = findHolders()
  await Promise.all(lost.map(({ pid }) => kill(pid)))
  listSandboxes() // sweeps what is left of folders
  return [...sandboxes, ...lost].map(({ name }) => name)
}

async function kill(pid: number): Promise<void> {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    return // it ended by itself
  }
  await until(() => startTime(pid) === undefined)
}

/** Waits until something holds, at most two seconds. */
async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 400 && !holds(); i++) await sleep(5)
}

/** The processes that are in a network namespace, by the namespace's inode: none is the proof that it is gone. */
export function sharesNamespace(inode: number): number[] {
  return readdirSync('/proc').flatMap((entry) => {
    if (!/^\d+$/.test(entry)) return []
    try {
      return statSync(`/proc/${entry}/ns/net`).ino === inode ? [Number(entry)] : []
    } catch {
      return [] // it ended meanwhile, or is another user's
    }
  })
}
