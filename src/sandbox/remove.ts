import { existsSync, readdirSync, rmdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { lock } from '../kernel/lock.ts'
import { findHolders, listSandboxes, type Sandbox, startTime } from './find.ts'
import { runtimeFolder } from './runtime-folder.ts'
import { KEPT } from './scripts.ts'

/** Ends a sandbox: its first process is killed, and the kernel removes every process, namespace and interface in it. */
export async function removeSandbox({ pid, folder }: Pick<Sandbox, 'pid' | 'folder'>): Promise<void> {
  rmSync(join(folder, KEPT), { force: true }) // so that its watcher removes the folder
  if (await kill(pid)) await until(() => !existsSync(folder))
  rmSync(folder, { recursive: true, force: true })
}

/** Ends all of this user's sandboxes, also those whose record was lost. Returns their names. */
export async function removeAll(): Promise<string[]> {
  const sandboxes = listSandboxes()
  await Promise.all(sandboxes.map(removeSandbox))
  const lost = findHolders()
  await Promise.all(lost.map(({ pid }) => kill(pid)))
  await removeRuntimeFolder()
  return [...sandboxes, ...lost].map(({ name }) => name)
}

/** Removes the folder of the sandboxes if it is empty. */
async function removeRuntimeFolder(): Promise<void> {
  const folder = runtimeFolder()
  if (!existsSync(folder)) return
  const unlock = await lock(folder)
  try {
    listSandboxes() // sweeps what is left of dead ones
    rmdirSync(folder)
  } catch {
    // one is being made
  } finally {
    unlock()
  }
}

/** Kills a process and waits until it is gone. Returns false if it was gone before. */
async function kill(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    return false // it ended by itself
  }
  await until(() => startTime(pid) === undefined)
  return true
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
