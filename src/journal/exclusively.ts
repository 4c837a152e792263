import { AsyncLocalStorage } from 'node:async_hooks'
import type { Host } from '../kernel/host.ts'
import { lockOwnFolder, removeIfEmpty } from '../kernel/lock.ts'

/** The hosts that the running act holds the locks of. */
const held = new AsyncLocalStorage<ReadonlySet<string>>()

/**
 * Runs `act` while no other cnilab changes this host: what several containers share is made and undone one at a time.
 * Within it, the lock is held already.
 */
export async function exclusively<T>(host: Host, act: () => Promise<T>): Promise<T> {
  const own = held.getStore() ?? new Set<string>()
  const key = `${host.name} ${host.folder}`
  if (!host.common || own.has(key)) return act()
  const unlock = await lockOwnFolder(host)
  try {
    return await held.run(new Set([...own, key]), act)
  } finally {
    if (host.kind === 'machine') removeIfEmpty(host.folder)
    unlock()
  }
}
