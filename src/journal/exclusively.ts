import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Host, LOCK } from '../kernel/host.ts'
import { lock } from '../kernel/lock.ts'

/** Runs `act` while no other cnilab changes this host: what several containers share is made and undone one at a time. */
export async function exclusively<T>(host: Host, act: () => Promise<T>): Promise<T> {
  if (!host.common) return act()
  mkdirSync(host.folder, { recursive: true, mode: 0o700 })
  const unlock = await lock(join(host.folder, LOCK))
  try {
    return await act()
  } finally {
    unlock()
  }
}
