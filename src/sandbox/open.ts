import { join } from 'node:path'
import type { Host } from '../kernel/host.ts'
import { lock } from '../kernel/lock.ts'
import { createSandbox } from './create.ts'
import { enter, listSandboxes, ownSandbox, type Sandbox } from './find.ts'
import { runtimeFolder } from './runtime-folder.ts'

/** Finds a living sandbox by name. */
export function findSandbox(name: string): Sandbox | undefined {
  return listSandboxes().find((sandbox) => sandbox.name === name)
}

/**
 * The sandbox of this name, made and kept if there is none; of several that ask at once, one makes it. Inside a sandbox
 * it is always that one.
 */
export async function openSandbox(name: string): Promise<{ host: Host; created: boolean }> {
  const own = ownSandbox()
  if (own) return { host: own, created: false }
  const found = findSandbox(name)
  if (found) return { host: enter(found), created: false }
  const unlock = await lock(join(runtimeFolder(), '.lock'))
  try {
    const meanwhile = findSandbox(name)
    if (meanwhile) return { host: enter(meanwhile), created: false }
    const { host, keep } = await createSandbox(name)
    keep()
    return { host, created: true }
  } finally {
    unlock()
  }
}
