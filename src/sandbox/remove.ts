import { existsSync, rmdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { lockFolder } from '../kernel/lock.ts'
import { startTime } from '../kernel/processes.ts'
import { findLostHolders, listSandboxes, type Sandbox } from './find.ts'
import { runtimeFolder } from './runtime-folder.ts'
import { KEPT } from './scripts.ts'

/** Ends a sandbox: kills its first process, whereupon the kernel removes all processes, namespaces and interfaces in it. */
export async function removeSandbox({ pid, folder }: Pick<Sandbox, 'pid' | 'folder'>): Promise<void> {
  rmSync(join(folder, KEPT), { force: true }) // so that its watcher removes the folder
  if (await kill(pid)) await until(() => !existsSync(folder))
  rmSync(folder, { recursive: true, force: true })
}

/** Ends all of this user's sandboxes, even those whose record was lost. Returns their names. */
export async function removeAll(): Promise<string[]> {
  const sandboxes = listSandboxes()
  await Promise.all(sandboxes.map(removeSandbox))
  const lost = findLostHolders()
  await Promise.all(lost.map(({ pid }) => kill(pid)))
  await removeRuntimeFolder()
  return [...sandboxes, ...lost].map(({ name }) => name)
}

/** Removes the directory of the sandboxes if it is empty. */
async function removeRuntimeFolder(): Promise<void> {
  const folder = runtimeFolder()
  if (!existsSync(folder)) return
  const unlock = await lockFolder(folder)
  try {
    listSandboxes() // removes what dead ones left
    rmdirSync(folder)
  } catch {
    // one is being created
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
