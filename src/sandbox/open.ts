import type { Host } from '../kernel/host.ts'
import { lockFolder } from '../kernel/lock.ts'
import { createSandbox, type LiveSandbox } from './create.ts'
import { enter, findSandboxes, listSandboxes, ownSandbox, type Sandbox } from './find.ts'
import { makeRuntimeFolder } from './runtime-folder.ts'

/** Finds a living sandbox by name. */
export function findSandbox(name: string): Sandbox | undefined {
  return listSandboxes().find((sandbox) => sandbox.name === name)
}

/** A sandbox in which a command can act. `created again`: the one of this name had died, with all that was in it. */
export interface OpenedSandbox {
  host: Host
  state: 'found' | 'created' | 'created again'
  /** One that was made just now and still ends with this process. */
  live?: LiveSandbox
}

/**
 * The sandbox of this name, made and kept if there is none; of several that ask at once, one makes it. Inside a sandbox
 * it is always that one.
 */
export async function openSandbox(name: string): Promise<OpenedSandbox> {
  const opened = await openTied(name)
  opened.live?.keep()
  return opened
}

/** The same, but one that is made ends with this process unless it is kept. */
export async function openTied(name: string): Promise<OpenedSandbox> {
  const own = ownSandbox()
  if (own) return { host: own, state: 'found' }
  const is = (sandbox: Sandbox) => sandbox.name === name
  const before = findSandboxes()
  const found = before.alive.find(is)
  if (found) return { host: enter(found), state: 'found' }
  const unlock = await lockFolder(makeRuntimeFolder())
  try {
    const now = findSandboxes()
    const meanwhile = now.alive.find(is)
    if (meanwhile) return { host: enter(meanwhile), state: 'found' }
    const live = await createSandbox(name)
    return {
      host: live.host,
      live,
      state: [...before.ended, ...now.ended].includes(name) ? 'created again' : 'created',
    }
  } finally {
    unlock()
  }
}
