import { CnilabError } from '../errors.ts'
import type { Host } from '../kernel/host.ts'
import { lockFolder, removeIfEmpty } from '../kernel/lock.ts'
import { createSandbox, type LiveSandbox } from './create.ts'
import { enter, findSandboxes, listSandboxes, ownSandbox, requireIntact, type Sandbox } from './find.ts'
import { makeRuntimeFolder } from './runtime-folder.ts'

/** Finds a living sandbox by name. */
export function findSandbox(name: string): Sandbox | undefined {
  return listSandboxes().find((sandbox) => sandbox.name === name)
}

/** A sandbox in which a command can act. `created again`: the previous one of this name had died, with everything in it. */
export interface OpenedSandbox {
  host: Host
  state: 'found' | 'created' | 'created again'
  /** Set if it was just created and still ends with this process. */
  live?: LiveSandbox
}

/**
 * Opens the sandbox of this name. If there is none, creates and keeps it; if several processes do so at once, only one
 * creates it. Inside a sandbox it is always that one.
 */
export async function openSandbox(name: string, binds: readonly string[] = []): Promise<OpenedSandbox> {
  const opened = await openTied(name, binds)
  opened.live?.keep()
  return opened
}

/** Like `openSandbox`, but a sandbox that it creates ends with this process unless it is kept. */
export async function openTied(name: string, binds: readonly string[] = []): Promise<OpenedSandbox> {
  const own = ownSandbox()
  if (own) return foundInside(own, binds)
  const is = (sandbox: Sandbox) => sandbox.name === name
  const before = findSandboxes()
  const found = before.alive.find(is)
  if (found) return foundAlive(found, binds)
  const runtime = makeRuntimeFolder()
  const unlock = await lockFolder(runtime)
  try {
    const now = findSandboxes()
    const meanwhile = now.alive.find(is)
    if (meanwhile) return foundAlive(meanwhile, binds)
    const live = await createSandbox(name, binds)
    return {
      host: live.host,
      live,
      state: [...before.ended, ...now.ended].includes(name) ? 'created again' : 'created',
    }
  } finally {
    removeIfEmpty(runtime) // if none could be created
    unlock()
  }
}

/**
 * What a sandbox sees of the machine is fixed when it is created. Throws CnilabError `usage` if it lacks one of the
 * directories, and `state` if it can no longer be entered.
 */
function foundAlive(sandbox: Sandbox, binds: readonly string[]): OpenedSandbox {
  const lacking = binds.filter((bind) => !sandbox.binds.includes(bind))
  if (lacking.length > 0)
    throw new CnilabError('usage', `the sandbox '${sandbox.name}' was made without ${lacking.join(', ')}`, {
      fix: `cnilab sandbox delete ${sandbox.name}, and this command again, makes it anew, with nothing else in it; --sandbox with another name makes one beside it`,
    })
  requireIntact(sandbox)
  return { host: enter(sandbox), state: 'found' }
}

function foundInside(own: Host, binds: readonly string[]): OpenedSandbox {
  if (binds.length > 0)
    throw new CnilabError('usage', `--bind is for a sandbox that is made, and this is inside '${own.name}'`, {
      fix: 'leave the shell first, with exit',
    })
  return { host: own, state: 'found' }
}
