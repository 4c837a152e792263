import { CnilabError } from '../errors.ts'
import type { Host } from '../kernel/host.ts'
import { spawnOn } from '../kernel/on-host.ts'
import { RESTORE } from './scripts.ts'

/** How long it may take, in seconds: a thousand containers take their time. */
const LONGEST = 60

/**
 * Puts the network of a sandbox back to its starting state, whatever was done to it. Programs that run in the sandbox, such
 * as a shell, live on. Throws CnilabError `state` if that fails.
 */
export async function restoreSandbox(host: Host): Promise<void> {
  const { code, stderr } = await spawnOn(host, undefined, ['sh', '-c', RESTORE, 'cnilab-restore'], { limit: LONGEST })
  if (code === 0) return
  throw new CnilabError('state', `the sandbox could not be put back to its start: ${stderr.trim()}`, {
    fix: `cnilab sandbox delete ${host.name}, and start again`,
  })
}
