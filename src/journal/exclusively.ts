import { AsyncLocalStorage } from 'node:async_hooks'
import { sweepFiles } from '../kernel/files.ts'
import type { Host } from '../kernel/host.ts'
import { requireHostFolder } from '../kernel/host-folder.ts'
import { lock, removeIfEmpty } from '../kernel/lock.ts'

/** The folders that the running act holds the locks of. */
const held = new AsyncLocalStorage<ReadonlySet<string>>()

/**
 * Runs `act` while no other cnilab changes this host: what several containers share is made and undone one at a time.
 * Within it, the lock is held already.
 */
export async function exclusively<T>(host: Host, act: () => Promise<T>): Promise<T> {
  const own = held.getStore() ?? new Set<string>()
  if (!host.common || own.has(host.folder)) return act()
  requireHostFolder(host)
  const unlock = await lock(host.folder, host.kind === 'machine') // a sandbox's goes with it, and must not come back
  try {
    sweepFiles(host)
    return await held.run(new Set([...own, host.folder]), act)
  } finally {
    if (host.kind === 'machine') removeIfEmpty(host.folder)
    unlock()
  }
}
