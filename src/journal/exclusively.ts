import { rmdirSync } from 'node:fs'
import type { Host } from '../kernel/host.ts'
import { lock } from '../kernel/lock.ts'

/** Runs `act` while no other cnilab changes this host: what several containers share is made and undone one at a time. */
export async function exclusively<T>(host: Host, act: () => Promise<T>): Promise<T> {
  if (!host.common) return act()
  const unlock = await lock(host.folder)
  try {
    return await act()
  } finally {
    if (host.kind === 'machine') removeIfEmpty(host.folder)
    unlock()
  }
}

/** The machine's folder holds nothing once its journal is closed. */
function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder)
  } catch {
    // the journal is in it
  }
}
