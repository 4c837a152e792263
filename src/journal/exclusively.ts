import { AsyncLocalStorage } from 'node:async_hooks'
import { sweepFiles } from '../kernel/files.ts'
import type { Host } from '../kernel/host.ts'
import { requireHostFolder } from '../kernel/host-folder.ts'
import { lockOwnFolder, removeIfEmpty } from '../kernel/lock.ts'

/** The hosts whose locks the current async context holds. */
const held = new AsyncLocalStorage<ReadonlySet<string>>()

/**
 * Runs `act` while no other cnilab changes this host, so that what containers share is created and undone by one at a time.
 * Reentrant.
 */
export async function exclusively<T>(host: Host, act: () => Promise<T>): Promise<T> {
  const own = held.getStore() ?? new Set<string>()
  const key = `${host.name} ${host.folder}`
  if (!host.common || own.has(key)) return act()
  requireHostFolder(host)
  const unlock = await lockOwnFolder(host)
  try {
    sweepFiles(host)
    return await held.run(new Set([...own, key]), act)
  } finally {
    if (host.kind === 'machine') removeIfEmpty(host.folder)
    unlock()
  }
}
